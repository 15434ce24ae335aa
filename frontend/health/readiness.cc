#include "frontend/health/readiness.h"

#include <utility>

#include "absl/strings/str_cat.h"

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
  const std::string complaint = liveness_ == nullptr ? "" : liveness_->Complaint();
  absl::MutexLock lock(&mutex_);
  if (complaint.empty()) return snapshot_;
  return {snapshot_.state, absl::StrCat("stuck: ", complaint), /*is_stuck=*/true};
}

ReadyState Readiness::state() const {
  absl::MutexLock lock(&mutex_);
  return snapshot_.state;
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
  snapshot_ = {state, std::string(reason), /*is_stuck=*/false};
  for (const Observer& observer : observers_) observer(snapshot_);
}

}  // namespace holdfast
