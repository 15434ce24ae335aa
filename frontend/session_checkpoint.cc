// Session: what it does on its own, between calls: taking checkpoints, for forks and for later, and
// giving up its worker.
#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/byte_buffer.h"
#include "frontend/session.h"
#include "proto/worker_control.pb.h"

namespace holdfast {
namespace {

// A worker may be killed from outside while it takes a snapshot, or restores one.
constexpr int kMaxSnapshotFailures = 3;

}  // namespace

std::unique_ptr<Session::Operation> Session::MakeOwnOperation(Kind kind) {
  auto operation = absl::make_unique<Operation>();
  operation->kind = kind;
  operation->done = [](const grpc::Status&, const grpc::ByteBuffer&) {};
  return operation;
}

bool Session::BeginOwnTurn() {
  if (state_ != SessionState::kResident) return false;
  NoticeDroppedCheckpoint();
  if (IsSnapshotDue(is_asked_back_ || promised_ != nullptr)) {
    BeginTurn(MakeOwnOperation(Kind::kSnapshot));
    return true;
  }
  if (is_asked_back_) Park();
  return false;
}

bool Session::IsSnapshotDue(bool is_move_expected) const {
  return snapshot_failures_ < kMaxSnapshotFailures && no_snapshot_at_ != history_.entry_count() &&
         IsCheckpointDue(costs_, is_move_expected) && environment_->abilities().takes_snapshots;
}

void Session::OnSnapshot(const WorkerReply& reply) {
  HeldSnapshot snapshot;
  std::shared_ptr<Checkpoint> taken;
  if (reply.status.ok() && Parse(reply.message, &snapshot).ok() && snapshot.has_snapshot() &&
      snapshot.fingerprint().size() <= kMaxFingerprintBytes) {
    costs_.snapshot = absl::Now() - current_->call_start;
    RebuildCosts costs = costs_;
    costs.head += std::exchange(costs.tail, absl::ZeroDuration());
    Checkpoint* const replaced = checkpoint_.use_count() == 1 ? checkpoint_.get() : nullptr;
    taken = environment_->checkpoints->Add(history_.entry_count(), costs, std::move(snapshot),
                                           replaced);
    if (taken != nullptr) costs_ = costs;
  }
  if (taken == nullptr) no_snapshot_at_ = history_.entry_count();
  if (state_ == SessionState::kEnded) {
    ReleaseWorker();
  } else {
    Transition(SessionState::kResident);
  }
  FinishSnapshot(taken, /*is_failure_final=*/false);
}

void Session::FinishSnapshot(const std::shared_ptr<Checkpoint>& taken, bool is_failure_final) {
  environment_->on_snapshot(taken == nullptr ? SnapshotOutcome::kFailed : SnapshotOutcome::kTaken);
  if (taken == nullptr) {
    CountSnapshotFailure(is_failure_final);
  } else {
    checkpoint_ = taken;
  }
  if (promised_ != nullptr) {
    std::exchange(promised_, nullptr)->Resolve(taken, snapshot_failures_);
  }
  FinishCurrent(grpc::Status::OK);
}

void Session::ForkNow(std::unique_ptr<Operation> fork) {
  if (!HasOwnTurn()) SetIdleSince(absl::GetCurrentTimeNanos() / 1000);
  if (state_ == SessionState::kLost) {
    fork->fork_done(*lost_, nullptr);
    return;
  }
  if (!environment_->abilities().is_rebuildable) {
    fork->fork_done(grpc::Status(grpc::StatusCode::UNIMPLEMENTED,
                                 "sessions of this type cannot be replayed, and so not forked"),
                    nullptr);
    return;
  }
  const bool is_taking_snapshot = current_ != nullptr && current_->kind == Kind::kSnapshot;
  NoticeDroppedCheckpoint();
  if (promised_ == nullptr &&
      (is_taking_snapshot || (state_ == SessionState::kResident && IsSnapshotDue(true)))) {
    promised_ = std::make_shared<PendingCheckpoint>();
  }
  const auto child = std::make_shared<Session>(fork->fork_id, origin_, environment_);
  {
    absl::MutexLock lock(&child->mutex_);  // Nobody else has it yet; for the analysis only.
    child->history_ = history_.Fork();
    child->checkmark_ = checkmark_;
    child->poisoned_ = poisoned_;
    child->refuse_poisoned_ = refuse_poisoned_;
    child->costs_ = costs_;
    child->checkpoint_ = checkpoint_;
    child->snapshot_failures_ = snapshot_failures_;
    child->no_snapshot_at_ = no_snapshot_at_;
    child->awaited_ = promised_ != nullptr ? promised_ : awaited_;
  }
  fork->fork_done(grpc::Status::OK, child);
  child->Prefetch();
}

void Session::Prefetch() {
  absl::MutexLock lock(&mutex_);
  if (state_ == SessionState::kEnded || !environment_->prefetched->TryAdd()) return;
  is_prefetched_ = true;
  // Behind a call that was quicker than we, it finds the session resident, and does nothing.
  queue_.push_back(MakeOwnOperation(Kind::kPrefetch));
  RunTurns();
}

void Session::ForgetPrefetch() {
  if (std::exchange(is_prefetched_, false)) environment_->prefetched->Remove();
}

// Who was forked waits here for the checkpoint, before the worker: it would only lie idle.
void Session::AwaitCheckpoint() {
  const uint64_t epoch = ++epoch_;
  if (awaited_ != nullptr &&
      awaited_->Await([self = shared_from_this(), epoch](const std::shared_ptr<Checkpoint>&) {
        absl::MutexLock lock(&self->mutex_);
        if (epoch == self->epoch_) self->AcquireWorker();
      })) {
    return;
  }
  AcquireWorker();
}

void Session::AdoptAwaited() {
  if (awaited_ == nullptr) return;
  const std::shared_ptr<PendingCheckpoint> awaited = std::move(awaited_);
  snapshot_failures_ = std::max(snapshot_failures_, awaited->failures());
  std::shared_ptr<Checkpoint> result = awaited->result();
  if (result == nullptr) return;
  checkpoint_ = std::move(result);
  costs_ = checkpoint_->costs();
}

std::shared_ptr<const HeldSnapshot> Session::FindSnapshot() {
  if (checkpoint_ == nullptr) return nullptr;
  std::shared_ptr<const HeldSnapshot> snapshot = checkpoint_->Get();
  if (snapshot == nullptr) DropCheckpoint();
  return snapshot;
}

void Session::NoticeDroppedCheckpoint() {
  if (checkpoint_ != nullptr && !checkpoint_->is_held()) DropCheckpoint();
}

void Session::DropCheckpoint() {
  checkpoint_.reset();
  costs_.tail += std::exchange(costs_.head, absl::ZeroDuration());
}

void Session::CountSnapshotFailure(bool is_final) {
  snapshot_failures_ = is_final ? kMaxSnapshotFailures : snapshot_failures_ + 1;
}

bool Session::LeaveReplayToNextCall(const grpc::Status& reason) {
  // Of several parameters, some may be in the replay that are rolled back now.
  if (!is_replaying_ || current_->history_before.has_value()) return false;
  std::unique_ptr<Operation> replay = MakeOwnOperation(Kind::kPrefetch);
  replay->turn_start = current_->turn_start;
  replay->budget = current_->budget;
  const std::unique_ptr<Operation> abandoned = std::exchange(current_, std::move(replay));
  SetIdleSince(absl::GetCurrentTimeNanos() / 1000);
  abandoned->done(reason, {});
  RunTurns();  // Forks.
  return true;
}

absl::Duration Session::RebuildTime() const {
  if (checkpoint_ == nullptr) return costs_.head + costs_.tail;
  return std::max(costs_.restore, costs_.snapshot) + costs_.tail;
}

bool Session::IsWorthParking() const {
  return RebuildTime() < environment_->step_timeout / 2 || IsSnapshotDue(/*is_move_expected=*/true);
}

void Session::Park() {
  ReleaseWorker();
  Transition(SessionState::kParked);
}

bool Session::AskBack() {
  if (!environment_->abilities().is_rebuildable) return false;
  absl::MutexLock lock(&mutex_);
  NoticeDroppedCheckpoint();
  if (!IsWorthParking()) return false;
  if (state_ != SessionState::kEnded && lease_) {
    is_asked_back_ = true;
    RunTurns();
  }
  return true;
}

void Session::Withdraw() {
  absl::MutexLock lock(&mutex_);
  // Who is about to take a snapshot for the move goes on with it.
  if (current_ != nullptr && !HasOwnTurn()) is_asked_back_ = false;
}

void Session::ParkIfIdleSince(absl::Time when) {
  if (!environment_->abilities().is_rebuildable) return;
  absl::MutexLock lock(&mutex_);
  if (state_ != SessionState::kResident || !IsIdleSince(when)) return;
  NoticeDroppedCheckpoint();
  if (!IsWorthParking()) return;
  is_asked_back_ = true;
  RunTurns();
}

}  // namespace holdfast
