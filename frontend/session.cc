// Session: turns. What happens on the worker is in session_worker.cc and session_failure.cc;
// checkpoints, forks and parking are in session_checkpoint.cc.
#include "frontend/session.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/invariant.h"

namespace holdfast {

Session::Session(int64_t id, SessionOrigin origin, const SessionEnvironment* environment)
    : id_(id),
      origin_(std::move(origin)),
      environment_(environment),
      history_(environment->history_bytes),
      refuse_poisoned_(environment->refuse_poisoned_steps),
      idle_since_micros_(absl::GetCurrentTimeNanos() / 1000) {
  environment_->on_transition(absl::nullopt, state_);
}

Session::~Session() {
  absl::MutexLock lock(&mutex_);
  CheckInvariant(state_ == SessionState::kEnded && !lease_, "session ", id_,
                 " is destroyed before its end");
  environment_->on_transition(state_, absl::nullopt);
}

SessionState Session::state() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

SessionInfo Session::Info() const {
  SessionInfo info;
  info.id = id_;
  info.benchmark = origin_.benchmark->uri();
  info.start = start_;
  info.last_call = idle_since();
  absl::MutexLock lock(&mutex_);
  info.state = state_;
  info.actions = history_.action_count();
  info.worker = lease_.worker_id;
  return info;
}

Session::Ticket Session::Start(const google::protobuf::RepeatedField<int32_t>& observation_space,
                               const Caller& caller, Done done) {
  auto operation = absl::make_unique<Operation>();
  operation->kind = Kind::kStart;
  operation->caller = caller;
  operation->request = WorkerStartRequest(origin_, observation_space);
  operation->start_observations = observation_space;
  operation->done = std::move(done);
  return Submit(std::move(operation));
}

Session::Ticket Session::Step(StepRequestView view, const grpc::ByteBuffer& request,
                              const Caller& caller, Done done) {
  auto operation = absl::make_unique<Operation>();
  operation->kind = Kind::kStep;
  operation->caller = caller;
  operation->request = request;
  operation->step = std::move(view);
  operation->done = std::move(done);
  return Submit(std::move(operation));
}

Session::Ticket Session::SendParameters(compiler_gym::SendSessionParameterRequest request,
                                        const Caller& caller, Done done) {
  auto operation = absl::make_unique<Operation>();
  operation->kind = Kind::kParameters;
  operation->caller = caller;
  operation->parameters = std::move(request);
  operation->done = std::move(done);
  return Submit(std::move(operation));
}

Session::Ticket Session::Fork(int64_t new_id, const Caller& caller, ForkDone done) {
  auto operation = absl::make_unique<Operation>();
  operation->kind = Kind::kFork;
  operation->caller = caller;
  operation->fork_id = new_id;
  operation->fork_done = std::move(done);
  // A failure before its turn is told like any other call's.
  Operation* const raw = operation.get();
  operation->done = [raw](const grpc::Status& status, const grpc::ByteBuffer&) {
    raw->fork_done(status, nullptr);
  };
  return Submit(std::move(operation));
}

Session::Ticket Session::Submit(std::unique_ptr<Operation> operation) {
  absl::MutexLock lock(&mutex_);
  const Ticket ticket = ++last_ticket_;
  operation->ticket = ticket;
  if (state_ == SessionState::kEnded) {
    operation->done(
        grpc::Status(grpc::StatusCode::NOT_FOUND, absl::StrCat("Session not found: ", id_)), {});
    return ticket;
  }
  queue_.push_back(std::move(operation));
  RunTurns();
  return ticket;
}

void Session::RunTurns() {
  while (true) {
    if (current_ == nullptr && BeginOwnTurn()) continue;
    if (queue_.empty()) return;
    // A fork needs no worker: what the session does on its own does not delay it.
    const bool is_fork = queue_.front()->kind == Kind::kFork;
    if (current_ != nullptr && !(is_fork && HasOwnTurn())) return;
    std::unique_ptr<Operation> next = std::move(queue_.front());
    queue_.pop_front();
    if (is_fork) {
      ForkNow(std::move(next));
    } else {
      BeginTurn(std::move(next));
    }
  }
}

bool Session::HasOwnTurn() const { return current_ != nullptr && IsOwn(current_->kind); }

void Session::BeginTurn(std::unique_ptr<Operation> operation) {
  current_ = std::move(operation);
  if (!HasOwnTurn()) {
    SetIdleSince(kInCall);
    ForgetPrefetch();
  }
  if (state_ == SessionState::kLost) {
    FinishCurrent(*lost_);
    return;
  }
  if (RefuseIfPoisoned()) return;
  current_->turn_start = absl::Now();
  current_->budget =
      CallBudget(current_->turn_start, environment_->step_timeout, current_->caller.deadline);
  if (current_->kind == Kind::kSnapshot) {  // Calls may be waiting for its end.
    current_->budget = std::min(current_->budget, current_->turn_start + SnapshotTimeLimit(costs_));
  }
  if (current_->kind == Kind::kParameters && current_->parameters.parameter_size() > 1) {
    current_->history_before = history_.Fork();
    current_->checkmark_before = checkmark_;
    current_->refuse_poisoned_before = refuse_poisoned_;
  }
  if (state_ == SessionState::kResident) {
    CallWorker();
  } else {
    Materialise();
  }
}

bool Session::RefuseIfPoisoned() {
  if (current_->kind != Kind::kStep || poisoned_.empty() || !refuse_poisoned_) return false;
  const absl::optional<grpc::Status> answer =
      poisoned_.Find(history_.entry_count(), current_->request);
  if (!answer.has_value()) return false;
  environment_->on_refused();
  FinishCurrent(*answer);
  return true;
}

void Session::FinishCurrent(const grpc::Status& status, const grpc::ByteBuffer& reply) {
  const std::unique_ptr<Operation> finished = std::move(current_);
  if (!IsOwn(finished->kind)) SetIdleSince(absl::GetCurrentTimeNanos() / 1000);
  if (!status.ok()) RollBack(finished.get());
  finished->done(status, reply);
  // A session that could not be started never was.
  if (finished->kind == Kind::kStart && !status.ok() && state_ != SessionState::kEnded) {
    ReleaseWorker();
    Transition(SessionState::kEnded);
  }
}

// Of several parameters, those before the one that failed had been applied.
void Session::RollBack(Operation* failed) {
  // One that is bound to its worker keeps what was applied: it could not be built anew.
  if (!failed->history_before.has_value() || !environment_->abilities().is_rebuildable) return;
  refuse_poisoned_ = failed->refuse_poisoned_before;
  if (failed->history_before->entry_count() == history_.entry_count()) return;
  history_ = *std::move(failed->history_before);
  checkmark_ = failed->checkmark_before;
  if (state_ == SessionState::kResident) {
    ReleaseWorker();
    Transition(SessionState::kParked);
  }
}

void Session::Transition(SessionState to) {
  CheckInvariant(IsLegalTransition(state_, to), "session ", id_, ": illegal transition ",
                 SessionStateName(state_), " -> ", SessionStateName(to));
  environment_->on_transition(state_, to);
  state_ = to;
}

void Session::Abandon(Ticket ticket, const grpc::Status& reason) {
  absl::MutexLock lock(&mutex_);
  if (current_ != nullptr && current_->ticket == ticket) {
    if (LeaveReplayToNextCall(reason)) return;
    EndRecovery(RecoveryOutcome::kAbandoned);
    PreemptWorker();
    if (state_ != SessionState::kParked) Transition(SessionState::kParked);
    FinishCurrent(reason);
    RunTurns();
    return;
  }
  const auto found = std::find_if(queue_.begin(), queue_.end(), [&](const auto& operation) {
    return operation->ticket == ticket;
  });
  if (found == queue_.end()) return;
  const std::unique_ptr<Operation> abandoned = std::move(*found);
  queue_.erase(found);
  abandoned->done(reason, {});
}

void Session::End() {
  absl::MutexLock lock(&mutex_);
  EndLocked();
}

bool Session::IsIdleSince(absl::Time when) const {
  return (current_ == nullptr || HasOwnTurn()) && queue_.empty() && idle_since() <= when;
}

bool Session::EndIfIdleSince(absl::Time when) {
  absl::MutexLock lock(&mutex_);
  if (!IsIdleSince(when)) return false;
  EndLocked();
  return true;
}

void Session::EndLocked() {
  if (state_ == SessionState::kEnded) return;
  ForgetPrefetch();
  EndRecovery(RecoveryOutcome::kAbandoned);
  // Forks wait for it: the worker is released when it is done.
  const bool is_snapshot_awaited = current_ != nullptr && promised_ != nullptr;
  if (current_ == nullptr) {
    ReleaseWorker();
  } else if (!is_snapshot_awaited) {
    PreemptWorker();
  }
  Transition(SessionState::kEnded);
  if (current_ != nullptr && !is_snapshot_awaited) {
    FinishCurrent(grpc::Status(grpc::StatusCode::ABORTED,
                               absl::StrCat("Session ", id_, " was ended during this call")));
  }
  for (const auto& operation : queue_) {
    operation->done(
        grpc::Status(grpc::StatusCode::NOT_FOUND, absl::StrCat("Session not found: ", id_)), {});
  }
  queue_.clear();
}

}  // namespace holdfast
