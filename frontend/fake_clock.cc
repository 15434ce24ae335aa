#include "frontend/fake_clock.h"

#include <algorithm>

namespace holdfast {

Clock::TimerId FakeClock::RunAfter(absl::Duration delay, absl::AnyInvocable<void()> callback) {
  absl::Time due = now_ + std::max(delay, absl::ZeroDuration());
  timers_.emplace(std::make_pair(due, ++last_timer_), std::move(callback));
  return last_timer_;
}

void FakeClock::Cancel(TimerId timer) {
  auto found = std::find_if(timers_.begin(), timers_.end(),
                            [timer](const auto& entry) { return entry.first.second == timer; });
  if (found != timers_.end()) timers_.erase(found);
}

void FakeClock::Advance(absl::Duration duration) {
  absl::Time end = now_ + duration;
  while (!timers_.empty() && timers_.begin()->first.first <= end) {
    // Out of the map first: the callback may set and cancel timers.
    auto due = timers_.extract(timers_.begin());
    now_ = due.key().first;
    due.mapped()();
  }
  now_ = end;
}

absl::Duration FakeClock::UntilNext() const {
  return timers_.empty() ? absl::InfiniteDuration() : timers_.begin()->first.first - now_;
}

}  // namespace holdfast
