#include "frontend/health/readiness.h"

#include <utility>

namespace holdfast {

absl::string_view ReadyStateName(ReadyState state) {
  constexpr absl::string_view kNames[] = {"starting", "ready", "not_ready", "draining"};
  return kNames[static_cast<int>(state)];
}

void Readiness::SetReady() { Set(ReadyState::kReady, ""); }

void Readiness::SetNotReady(absl::string_view reason) { Set(ReadyState::kNotReady, reason); }

void Readiness::SetDraining() {
  Set(ReadyState::kDraining, "the service is draining: it ends when its sessions have");
}

Readiness::Snapshot Readiness::Get() const {
  absl::MutexLock lock(&mutex_);
  return snapshot_;
}

void Readiness::Observe(Observer observer) {
  absl::MutexLock lock(&mutex_);
  observer(snapshot_);
  observers_.push_back(std::move(observer));
}

void Readiness::Set(ReadyState state, absl::string_view reason) {
  absl::MutexLock lock(&mutex_);
  if (snapshot_.state == ReadyState::kDraining) return;
  if (snapshot_.state == state && snapshot_.reason == reason) return;
  snapshot_ = {state, std::string(reason)};
  for (const Observer& observer : observers_) observer(snapshot_);
}

}  // namespace holdfast
