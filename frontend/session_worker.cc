// Session: getting onto a worker, and calling it. Turns are in session.cc, failures of the worker
// in session_failure.cc, checkpoints in session_checkpoint.cc.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/byte_buffer.h"
#include "common/status.h"
#include "frontend/logging/log.h"
#include "frontend/session.h"
#include "frontend/worker_limits.h"
#include "proto/worker_control.pb.h"

namespace holdfast {
namespace {

bool IsLinkFailure(const WorkerReply& reply) {
  return !reply.status.ok() && !reply.answer.has_value();
}

}  // namespace

// Getting onto a worker.

void Session::Materialise() {
  if (state_ == SessionState::kBusy) Transition(SessionState::kRecovering);
  if (state_ == SessionState::kParked) Transition(SessionState::kMaterialising);
  if (is_recovery_due_ && !recovery_start_.has_value()) recovery_start_ = absl::Now();
  if (current_->kind != Kind::kStart && !environment_->abilities().is_rebuildable) {
    const WorkerFailure failure = last_failure_ == nullptr ? WorkerFailure() : *last_failure_;
    Lose(absl::StrCat("sessions of this type cannot be replayed, and its worker ",
                      last_failure_ == nullptr ? "is gone" : DescribeFailure(failure)),
         failure);
    return;
  }
  AwaitCheckpoint();
}

void Session::AcquireWorker() {
  AdoptAwaited();
  const uint64_t epoch = ++epoch_;
  const auto self = shared_from_this();
  WorkerRequest request;
  request.timeout = std::max(current_->budget - absl::Now(), absl::ZeroDuration());
  request.only_spare = current_->kind == Kind::kPrefetch;
  request.client = current_->caller.connection;
  if (environment_->abilities().is_rebuildable) request.borrower = self;
  lease_request_ = environment_->workers->Acquire(
      std::move(request),
      [self, epoch](absl::StatusOr<Lease> lease) { self->OnLease(epoch, std::move(lease)); },
      [self, epoch](const WorkerFailure& failure) { self->OnWorkerExit(epoch, failure); });
}

void Session::OnLease(uint64_t epoch, absl::StatusOr<Lease> lease) {
  absl::MutexLock lock(&mutex_);
  if (epoch != epoch_) {
    if (lease.ok()) environment_->workers->Return(*std::move(lease));
    return;
  }
  if (!lease.ok()) {
    lease_request_ = {};
    EndRecovery(RecoveryOutcome::kAbandoned);
    Transition(SessionState::kParked);
    // Nothing is left of a failed start, so it may be sent again. Another call may have done
    // something before its worker failed, if only outside of the session.
    if (!current_->is_tried || current_->kind == Kind::kStart) {
      ForgetPrefetch();
      FinishCurrent(ToGrpcStatus(lease.status()));
    } else {
      FinishUnconfirmed("", absl::StrCat("for a retry ", lease.status().message()));
    }
    RunTurns();
    return;
  }
  lease_ = *std::move(lease);
  lease_request_ = {};
  loan_ = epoch;
  worker_ = lease_.worker_id;
  if (current_->kind == Kind::kStart) {
    CallWorker();
    return;
  }
  is_replaying_ = true;
  const uint64_t replay_epoch = ++epoch_;
  // A fork of the history: this call may be abandoned, and the next add to the history, before the
  // replay has noticed.
  ReplayBase base;
  base.snapshot = FindSnapshot();
  if (base.snapshot != nullptr) {
    base.entries = checkpoint_->entries();
    base.time_limit = SnapshotTimeLimit(costs_);
  }
  Replay(origin_, std::move(base), history_.Fork(), checkmark_, lease_.client, ReplayDeadline(),
         [self = shared_from_this(), replay_epoch](const ReplayResult& result) {
           self->OnReplayed(replay_epoch, result);
         });
}

absl::Time Session::ReplayDeadline() const {
  // What takes longer than a call may take would never come to its end if each call began anew.
  return std::max(current_->budget, absl::Now() + 3 * RebuildTime());
}

void Session::OnReplayed(uint64_t epoch, const ReplayResult& result) {
  absl::MutexLock lock(&mutex_);
  if (epoch != epoch_) return;
  switch (result.outcome) {
    case ReplayResult::kRestored:
      is_replaying_ = false;
      is_worker_fresh_ = true;
      if (result.is_snapshot_refused) {
        environment_->on_snapshot(SnapshotOutcome::kRefused);
        DropCheckpoint();
        CountSnapshotFailure(/*is_final=*/true);
      } else if (result.restore_time > absl::ZeroDuration()) {
        environment_->on_snapshot(SnapshotOutcome::kRestored);
        costs_.restore = result.restore_time;
        snapshot_failures_ = 0;
      }
      replay_failures_.reset();
      worker_id_field_ = EncodeSessionIdField(result.worker_session_id);
      EndRecovery(RecoveryOutcome::kRestored);
      Transition(SessionState::kResident);
      CallWorker();
      break;
    case ReplayResult::kWorkerFailed:
      DiscardWorker(result.status);
      break;
    case ReplayResult::kDiverged:
      PreemptWorker();
      // It may have been the machine, out of space or processes for a moment.
      OnReplayFailed(WorkerFailure(), result.status.error_message());
      break;
    case ReplayResult::kRefused:
      PreemptWorker();
      LeaveToNextCall(grpc::StatusCode::UNAVAILABLE,
                      absl::StrCat("its benchmark is refused now: ", result.status.error_message()),
                      {});
      break;
  }
  RunTurns();
}

void Session::LeaveToNextCall(grpc::StatusCode code, const std::string& why,
                              const WorkerFailure& failure) {
  EndRecovery(RecoveryOutcome::kAbandoned);
  Transition(SessionState::kParked);
  if (current_->kind == Kind::kPrefetch) {
    FinishCurrent(grpc::Status::OK);
    return;
  }
  if (current_->is_tried) {
    FinishUnconfirmed("", "the session could not be restored to try again");
    return;
  }
  // Nothing was applied, so the call may be sent again.
  FinishCurrent(MakeFailureStatus(
      code,
      absl::StrCat("session ", id_, " (", history_.action_count(), " actions) cannot be restored",
                   code == grpc::StatusCode::UNAVAILABLE ? " now" : "", ": ", why,
                   "; it is as before this call"),
      failure));
}

void Session::OnReplayFailed(const WorkerFailure& failure, const std::string& why) {
  const bool is_time_left = absl::Now() < current_->budget;
  const bool had_checkpoint = checkpoint_ != nullptr;  // Which may be to blame.
  if (had_checkpoint) {
    DropCheckpoint();
    CountSnapshotFailure(failure.cause() == WorkerFailure::TIME_LIMIT && is_time_left);
  }
  if (current_->kind == Kind::kPrefetch) {  // The next call will see.
    LeaveToNextCall(grpc::StatusCode::UNAVAILABLE, why, failure);
    return;
  }
  if (had_checkpoint && is_time_left) {
    Materialise();
    return;
  }
  if (failure.cause() == WorkerFailure::TIME_LIMIT) {
    EndRecovery(RecoveryOutcome::kAbandoned);
    Transition(SessionState::kParked);
    if (current_->is_tried) {
      FinishUnconfirmed("", "no time was left to restore the session and try again");
      return;
    }
    FinishCurrent(MakeFailureStatus(
        grpc::StatusCode::DEADLINE_EXCEEDED,
        absl::StrCat("no time was left to restore session ", id_, " (", history_.action_count(),
                     " actions) and make the call; the session is as before it"),
        failure));
    return;
  }
  if (replay_failures_ == nullptr) replay_failures_ = std::make_unique<ReplayFailures>();
  const ReplayFailures::Advice advice = replay_failures_->Add(failure);
  if (advice == ReplayFailures::kTryAgain) {
    Materialise();
    return;
  }
  const bool is_too_little = IsResourceLimit(failure.cause());
  if (advice == ReplayFailures::kGiveUp && !is_too_little) {
    Lose(why, failure);
    return;
  }
  // The record is right: what fails now may succeed later.
  replay_failures_.reset();
  LeaveToNextCall(
      is_too_little ? grpc::StatusCode::RESOURCE_EXHAUSTED : grpc::StatusCode::UNAVAILABLE, why,
      failure);
}

void Session::Lose(const std::string& why, WorkerFailure failure) {
  EndRecovery(RecoveryOutcome::kLost);
  Transition(SessionState::kLost);
  LogError(Subsystem::kSession, "session is lost",
           {LogField::Session(id_), {"worker", worker_}, {"why", why}});
  failure.set_session_restored(false);
  lost_ = std::make_unique<const grpc::Status>(
      MakeFailureStatus(grpc::StatusCode::DATA_LOSS,
                        absl::StrCat("Session ", id_, " is lost: its ", history_.action_count(),
                                     " actions cannot be applied again: ", why),
                        failure));
  FinishCurrent(*lost_);
}

void Session::EndRecovery(RecoveryOutcome outcome) {
  if (!recovery_start_.has_value()) return;
  environment_->on_recovery(outcome, absl::Now() - *recovery_start_);
  recovery_start_.reset();
  is_recovery_due_ = outcome == RecoveryOutcome::kAbandoned;
}

// Calling it.

void Session::CallWorker() {
  if (current_->kind == Kind::kPrefetch) {  // It was for the worker only.
    FinishCurrent(grpc::Status::OK);
    return;
  }
  if (current_->kind == Kind::kParameters &&
      current_->parameter_replies.reply_size() == current_->parameters.parameter_size()) {
    // All are handled, and recorded: too late or not, that is the answer.
    if (state_ == SessionState::kBusy) Transition(SessionState::kResident);
    FinishCurrent(grpc::Status::OK, Serialize(current_->parameter_replies));
    return;
  }
  if (absl::Now() >= current_->budget) {
    if (state_ == SessionState::kBusy) Transition(SessionState::kResident);  // Between parameters.
    // The worker would be killed for a call that it has no time to begin.
    if (current_->kind == Kind::kStart) {
      environment_->workers->Return(TakeLease());
    }
    if (current_->is_tried) {
      FinishUnconfirmed("", "no time was left to try again");
    } else {
      FinishCurrent(grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED,
                                 "no time was left to make the call, after the wait for its turn "
                                 "and a worker"));
    }
    return;
  }
  if (state_ == SessionState::kResident) Transition(SessionState::kBusy);
  current_->call_start = absl::Now();
  current_->was_worker_fresh = std::exchange(is_worker_fresh_, false);
  const uint64_t epoch = ++epoch_;
  auto on_reply = [self = shared_from_this(), epoch](const WorkerReply& reply) {
    self->OnReply(epoch, reply);
  };
  switch (current_->kind) {
    case Kind::kStart:
      lease_.client->Call(WorkerMethod::kStartSession, current_->request, current_->budget,
                          std::move(on_reply));
      return;
    case Kind::kStep:
      lease_.client->Call(WorkerMethod::kStep, AppendSlice(current_->request, worker_id_field_),
                          current_->budget, std::move(on_reply));
      return;
    case Kind::kParameters: {
      const int next = current_->parameter_replies.reply_size();
      HandleParameterRequest request;
      *request.mutable_parameter() = current_->parameters.parameter(next);
      lease_.client->Call(WorkerMethod::kHandleParameter, Serialize(request), current_->budget,
                          std::move(on_reply));
      return;
    }
    case Kind::kSnapshot:
      lease_.client->Call(WorkerMethod::kSnapshot, Serialize(SnapshotRequest()), current_->budget,
                          std::move(on_reply));
      return;
    case Kind::kFork:
    case Kind::kPrefetch:
      return;  // Call no worker.
  }
}

void Session::OnReply(uint64_t epoch, const WorkerReply& reply) {
  absl::MutexLock lock(&mutex_);
  if (epoch != epoch_) return;
  if (IsLinkFailure(reply)) {
    if (reply.status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
      OnReplyTooLarge();
      RunTurns();
    } else {
      DiscardWorker(reply.status);
    }
    return;
  }
  switch (current_->kind) {
    case Kind::kStart:
      OnStarted(reply);
      break;
    case Kind::kStep:
      OnStepped(reply);
      break;
    case Kind::kParameters:
      OnParameterHandled(reply);
      break;
    case Kind::kSnapshot:
      OnSnapshot(reply);
      break;
    case Kind::kFork:
    case Kind::kPrefetch:
      break;
  }
  RunTurns();
}

void Session::OnReplyTooLarge() {
  PreemptWorker();  // What it had done cannot be told; a retry would end the same way.
  if (current_->kind != Kind::kStart && !environment_->abilities().is_rebuildable) {
    Transition(SessionState::kRecovering);
    Lose(
        "sessions of this type cannot be replayed, and a reply was larger than "
        "--max_message_bytes",
        WorkerFailure());
    return;
  }
  if (state_ != SessionState::kEnded) Transition(SessionState::kParked);
  if (current_->kind == Kind::kSnapshot) {
    FinishSnapshot(nullptr, /*is_failure_final=*/true);
    return;
  }
  FinishCurrent(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                             "the reply is larger than --max_message_bytes; session state is as "
                             "before this call"));
}

void Session::OnStarted(const WorkerReply& reply) {
  if (!reply.status.ok()) {
    FinishCurrent(TranslateSessionStatus(WorkerMethod::kStartSession, reply.status));
    return;
  }
  compiler_gym::StartSessionReply started;
  if (!Parse(reply.message, &started).ok()) {
    FinishCurrent(grpc::Status(grpc::StatusCode::INTERNAL, "the worker's reply is malformed"));
    return;
  }
  worker_id_field_ = EncodeSessionIdField(started.session_id());
  costs_.init = costs_.tail = absl::Now() - current_->call_start;
  is_worker_fresh_ = true;
  Transition(SessionState::kResident);
  FinishCurrent(grpc::Status::OK, AppendSlice(reply.message, EncodeSessionIdField(id_)));
}

void Session::OnStepped(const WorkerReply& reply) {
  const StepRequestView& step = current_->step;
  WorkerAnswer answer;
  answer.actions_applied = step.action_count;  // Unless the worker says otherwise.
  answer.clean = true;
  if (reply.answer.has_value()) answer = *reply.answer;
  const int64_t applied = std::min<int64_t>(answer.actions_applied, step.action_count);
  if (applied > 0) {
    history_.AppendStep(absl::string_view(step.actions).substr(0, step.action_ends[applied - 1]),
                        applied);
    // Observations are not made again; a worker that does not tell them apart is charged for both.
    costs_.tail += answer.action_time.value_or(absl::Now() - current_->call_start);
    SetCheckmark(answer.fingerprint);
  }
  if (answer.clean) {
    Transition(SessionState::kResident);
  } else {
    PreemptWorker();  // Its state is in doubt: nobody shall have it.
    Transition(SessionState::kParked);
  }
  FinishCurrent(
      reply.status.ok() ? reply.status : TranslateSessionStatus(WorkerMethod::kStep, reply.status),
      reply.message);
}

void Session::SetCheckmark(const std::string& fingerprint) {
  if (!fingerprint.empty()) checkmark_ = {history_.entry_count(), fingerprint};
}

void Session::OnParameterHandled(const WorkerReply& reply) {
  const absl::Status status = RecordParameter(reply);
  if (status.ok() && reply.status.ok()) {
    CallWorker();  // With the next, or to the end.
    return;
  }
  const bool is_malformed = status.code() == absl::StatusCode::kInternal;
  if (!is_malformed && (reply.status.ok() || reply.answer->clean)) {
    Transition(SessionState::kResident);
  } else {
    PreemptWorker();  // Its state is in doubt: nobody shall have it.
    Transition(SessionState::kParked);
  }
  FinishCurrent(reply.status.ok()
                    ? ToGrpcStatus(status)
                    : TranslateSessionStatus(WorkerMethod::kHandleParameter, reply.status));
}

absl::Status Session::RecordParameter(const WorkerReply& reply) {
  if (!reply.status.ok()) return absl::OkStatus();  // The caller looks at that.
  const auto& parameter = current_->parameters.parameter(current_->parameter_replies.reply_size());
  HandleParameterReply handled;
  const absl::Status parsed = Parse(reply.message, &handled);
  if (!parsed.ok()) return absl::InternalError("the worker's reply is malformed");
  if (handled.known()) {
    if (handled.changed_state()) {
      history_.AppendParameter(parameter.SerializeAsString());
      if (reply.answer.has_value()) SetCheckmark(reply.answer->fingerprint);
      costs_.tail += absl::Now() - current_->call_start;
    }
    current_->parameter_replies.add_reply(handled.reply());
    current_->attempts = 0;  // Of the next.
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> own = HandleOwnParameter(parameter);
  if (!own.ok()) return own.status();
  current_->parameter_replies.add_reply(*std::move(own));
  return absl::OkStatus();
}

absl::StatusOr<std::string> Session::HandleOwnParameter(
    const compiler_gym::SessionParameter& parameter) {
  if (parameter.key() == kRefusePoisonedSteps) {
    if (parameter.value() != "0" && parameter.value() != "1") {
      return absl::InvalidArgumentError(
          absl::StrCat(kRefusePoisonedSteps, " is \"", parameter.value(), "\", must be 0 or 1"));
    }
    refuse_poisoned_ = parameter.value() == "1";
    return parameter.value();
  }
  absl::optional<absl::StatusOr<std::string>> builtin =
      environment_->builtin_parameter(parameter.key(), parameter.value());
  if (builtin.has_value()) return *std::move(builtin);
  return absl::InvalidArgumentError(absl::StrCat("Unknown parameter: ", parameter.key()));
}

}  // namespace holdfast
