#include "frontend/health/liveness.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace holdfast {

Liveness::Liveness(Clock* clock)
    : clock_(clock), supervision_(clock->Now()), queue_(supervision_) {}

void Liveness::Start(std::function<void(absl::AnyInvocable<void()>)> run_on_queue) {
  run_on_queue_ = std::move(run_on_queue);
  Beat();
}

void Liveness::Beat() {
  bool was_queue_asked = false;
  {
    absl::MutexLock lock(&mutex_);
    supervision_ = clock_->Now();
    was_queue_asked = std::exchange(is_queue_asked_, true);
  }
  if (!was_queue_asked) run_on_queue_([this] { QueueBeat(); });
  clock_->RunAfter(kPeriod, [this] { Beat(); });
}

void Liveness::QueueBeat() {
  absl::MutexLock lock(&mutex_);
  queue_ = clock_->Now();
  is_queue_asked_ = false;
}

std::string Liveness::Complaint() const {
  const absl::Time now = clock_->Now();
  absl::MutexLock lock(&mutex_);
  // It is the supervision thread that asks the queue's: if it stands still, it is to blame.
  const bool is_supervision = now - supervision_ > kTooLong;
  if (!is_supervision && now - queue_ <= kTooLong) return "";
  return absl::StrCat(is_supervision ? "the supervision thread" : "the queue's thread",
                      " has stood still for ",
                      absl::FormatDuration(absl::Trunc(
                          now - (is_supervision ? supervision_ : queue_), absl::Seconds(1))));
}

}  // namespace holdfast
