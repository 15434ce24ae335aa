// Session: getting onto a worker, calling it, losing it. Turns are in session.cc.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/byte_buffer.h"
#include "common/status.h"
#include "frontend/session.h"
#include "proto/worker_control.pb.h"

namespace holdfast {
namespace {

// How long a worker whose link failed may take to end by itself: its exit tells more than our kill.
constexpr absl::Duration kExitGrace = absl::Milliseconds(200);
// A failure in a replay of what once went well may be chance: whoever kills one worker may kill
// many. Three in a row are not.
constexpr int kMaxReplayFailures = 3;

bool IsLinkFailure(const WorkerReply& reply) {
  return !reply.status.ok() && !reply.answer.has_value();
}

}  // namespace

// Getting onto a worker.

void Session::Materialise() {
  if (state_ == SessionState::kBusy) Transition(SessionState::kRecovering);
  if (state_ == SessionState::kParked) Transition(SessionState::kMaterialising);
  if (is_recovery_due_ && !recovery_start_.has_value()) recovery_start_ = absl::Now();
  const uint64_t epoch = ++epoch_;
  const auto self = shared_from_this();
  environment_->workers->Acquire(
      std::max(current_->budget - absl::Now(), absl::ZeroDuration()),
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
    EndRecovery(RecoveryOutcome::kAbandoned);
    Transition(SessionState::kParked);
    // Nothing is left of a failed start, so it may be sent again. Another call may have done
    // something before its worker failed, if only outside of the session.
    if (current_->attempts == 0 || current_->kind == Kind::kStart) {
      FinishCurrent(ToGrpcStatus(lease.status()));
    } else {
      FinishUnconfirmed("", absl::StrCat("for a retry ", lease.status().message()));
    }
    RunTurns();
    return;
  }
  lease_ = *std::move(lease);
  loan_ = epoch;
  if (current_->kind == Kind::kStart) {
    CallWorker();
    return;
  }
  is_replaying_ = true;
  const uint64_t replay_epoch = ++epoch_;
  // A fork of the history: this call may be abandoned, and the next add to the history, before the
  // replay has noticed.
  Replay(origin_, history_.Fork(), checkmark_, lease_.client, current_->budget,
         [self = shared_from_this(), replay_epoch](const ReplayResult& result) {
           self->OnReplayed(replay_epoch, result);
         });
}

void Session::OnReplayed(uint64_t epoch, const ReplayResult& result) {
  absl::MutexLock lock(&mutex_);
  if (epoch != epoch_) return;
  switch (result.outcome) {
    case ReplayResult::kRestored:
      is_replaying_ = false;
      replay_failures_ = 0;
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
      if (++replay_failures_ < kMaxReplayFailures) {
        Materialise();
      } else {
        Lose(result.status.error_message());
      }
      break;
  }
  RunTurns();
}

void Session::OnReplayFailed(const WorkerFailure& failure) {
  if (failure.cause() == WorkerFailure::TIME_LIMIT) {
    EndRecovery(RecoveryOutcome::kAbandoned);
    Transition(SessionState::kParked);
    if (current_->attempts > 0) {
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
  if (++replay_failures_ < kMaxReplayFailures) {
    Materialise();
    return;
  }
  Lose(absl::StrCat("the worker ", DescribeFailure(failure)));
}

void Session::Lose(const std::string& why) {
  EndRecovery(RecoveryOutcome::kLost);
  Transition(SessionState::kLost);
  lost_why_ = BoundMessage(absl::StrCat("Session ", id_, " is lost: its ", history_.action_count(),
                                        " actions cannot be applied again: ", why));
  FinishCurrent(grpc::Status(grpc::StatusCode::DATA_LOSS, lost_why_));
}

void Session::EndRecovery(RecoveryOutcome outcome) {
  if (!recovery_start_.has_value()) return;
  environment_->on_recovery(outcome, absl::Now() - *recovery_start_);
  recovery_start_.reset();
  is_recovery_due_ = outcome == RecoveryOutcome::kAbandoned;
}

// Calling it.

void Session::CallWorker() {
  if (absl::Now() >= current_->budget) {
    if (state_ == SessionState::kBusy) Transition(SessionState::kResident);  // Between parameters.
    // The worker would be killed for a call that it has no time to begin.
    if (current_->kind == Kind::kStart) {
      environment_->workers->Return(std::exchange(lease_, Lease()));
    }
    FinishCurrent(grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED,
                               "no time was left to make the call, after the wait for its turn and "
                               "a worker"));
    return;
  }
  if (state_ == SessionState::kResident) Transition(SessionState::kBusy);
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
      if (next == current_->parameters.parameter_size()) {
        Transition(SessionState::kResident);
        FinishCurrent(grpc::Status::OK, Serialize(current_->parameter_replies));
        return;
      }
      HandleParameterRequest request;
      *request.mutable_parameter() = current_->parameters.parameter(next);
      lease_.client->Call(WorkerMethod::kHandleParameter, Serialize(request), current_->budget,
                          std::move(on_reply));
      return;
    }
    case Kind::kFork:
      return;  // Needs no worker.
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
    case Kind::kFork:
      break;
  }
  RunTurns();
}

void Session::OnReplyTooLarge() {
  PreemptWorker();  // What it had done cannot be told; a retry would end the same way.
  Transition(SessionState::kParked);
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
    if (!answer.fingerprint.empty()) checkmark_ = {history_.entry_count(), answer.fingerprint};
  }
  if (answer.clean) {
    Transition(SessionState::kResident);
  } else {
    ReleaseWorker();
    Transition(SessionState::kParked);
  }
  FinishCurrent(
      reply.status.ok() ? reply.status : TranslateSessionStatus(WorkerMethod::kStep, reply.status),
      reply.message);
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
    ReleaseWorker();
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
    if (handled.changed_state()) history_.AppendParameter(parameter.SerializeAsString());
    current_->parameter_replies.add_reply(handled.reply());
    return absl::OkStatus();
  }
  absl::optional<absl::StatusOr<std::string>> builtin =
      environment_->builtin_parameter(parameter.key(), parameter.value());
  if (!builtin.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("Unknown parameter: ", parameter.key()));
  }
  if (!builtin->ok()) return builtin->status();
  current_->parameter_replies.add_reply(**std::move(builtin));
  return absl::OkStatus();
}

// Losing it.

void Session::OnWorkerExit(uint64_t loan, const WorkerFailure& failure) {
  absl::MutexLock lock(&mutex_);
  if (!lease_ || loan != loan_) return;
  ReleaseWorker();
  if (current_ != nullptr) {
    ++epoch_;  // The call or the replay, whose own failure may still be on its way.
    OnWorkerGone(failure);
    return;
  }
  environment_->on_failure(id_, failure);
  is_recovery_due_ = true;
  Transition(SessionState::kParked);
}

void Session::DiscardWorker(const grpc::Status& status) {
  const bool is_late = status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  const uint64_t epoch = ++epoch_;
  environment_->workers->Discard(std::exchange(lease_, Lease()),
                                 is_late ? WorkerFailure::TIME_LIMIT : WorkerFailure::LINK,
                                 is_late ? absl::ZeroDuration() : kExitGrace,
                                 [self = shared_from_this(), epoch](const WorkerFailure& failure) {
                                   absl::MutexLock lock(&self->mutex_);
                                   if (epoch == self->epoch_) self->OnWorkerGone(failure);
                                 });
}

void Session::OnWorkerGone(WorkerFailure failure) {
  static constexpr const char* kDuring[] = {"StartSession", "Step", "SendSessionParameter",
                                            "ForkSession"};
  ++current_->attempts;
  is_recovery_due_ = current_->kind != Kind::kStart;
  failure.set_during(is_replaying_ ? "recovery" : kDuring[static_cast<int>(current_->kind)]);
  failure.set_actions_applied(history_.action_count());
  failure.set_attempts(current_->attempts);
  failure.set_session_restored(current_->kind != Kind::kStart);
  environment_->on_failure(id_, failure);
  if (std::exchange(is_replaying_, false)) {
    --current_->attempts;  // The call itself was not tried.
    OnReplayFailed(failure);
  } else {
    if (current_->attempts == 1) current_->first_failure = failure;
    OnCallFailed(failure);
  }
  RunTurns();
}

void Session::OnCallFailed(const WorkerFailure& failure) {
  const Verdict verdict = JudgeFailure(failure.cause(), current_->attempts,
                                       environment_->step_retries, current_->budget - absl::Now());
  if (verdict == Verdict::kRetry) {
    Materialise();
    return;
  }
  Transition(SessionState::kParked);
  const std::string why = DescribeFailure(failure);
  if (current_->kind == Kind::kStart) {
    // A caller in a hurry says nothing about its benchmark.
    const bool is_callers_deadline =
        verdict == Verdict::kTimeLimit &&
        current_->budget < current_->turn_start + environment_->step_timeout;
    FinishCurrent(MakeFailureStatus(
        is_callers_deadline ? grpc::StatusCode::DEADLINE_EXCEEDED
                            : grpc::StatusCode::INVALID_ARGUMENT,
        absl::StrCat("benchmark ", origin_.benchmark->uri(), " cannot be used: in ",
                     current_->attempts, " of ", current_->attempts,
                     " attempts to initialise it the worker ", why),
        failure));
    return;
  }
  const std::string what =
      current_->kind == Kind::kStep
          ? absl::StrCat("Step [",
                         environment_->describe_actions(origin_.action_space, current_->step), "]")
          : absl::StrCat(
                "SendSessionParameter [",
                current_->parameters.parameter(current_->parameter_replies.reply_size()).key(),
                "]");
  switch (verdict) {
    case Verdict::kTimeLimit:
      FinishCurrent(MakeFailureStatus(
          grpc::StatusCode::DEADLINE_EXCEEDED,
          absl::StrCat(what, " did not end within ",
                       absl::FormatDuration(current_->budget - current_->turn_start),
                       " (--step_timeout, or the caller's deadline); session ", id_,
                       " is as before it"),
          failure));
      return;
    case Verdict::kUnconfirmed:
      FinishUnconfirmed(absl::StrCat(what, ": "), current_->attempts == 1
                                                      ? "there was no retry"
                                                      : "no time was left for the retry");
      return;
    default:
      FinishCurrent(MakeFailureStatus(
          grpc::StatusCode::ABORTED,
          absl::StrCat(what, " failed in ", current_->attempts, " of ", current_->attempts,
                       " attempts: the worker ", why, "; session ", id_, " is as before it"),
          failure));
      return;
  }
}

void Session::FinishUnconfirmed(const std::string& what, absl::string_view why_no_retry) {
  WorkerFailure failure = current_->first_failure;
  failure.set_attempts(current_->attempts);
  FinishCurrent(MakeFailureStatus(
      grpc::StatusCode::ABORTED,
      absl::StrCat(what, "unconfirmed: the worker ", DescribeFailure(failure), ", and ",
                   why_no_retry,
                   failure.session_restored() ? "; the session is as before this call" : ""),
      failure));
}

void Session::PreemptWorker() {
  ++epoch_;
  is_replaying_ = false;
  if (!lease_) return;
  environment_->workers->Discard(std::exchange(lease_, Lease()), WorkerFailure::PREEMPTED,
                                 absl::ZeroDuration(), [](const WorkerFailure&) {});
}

void Session::ReleaseWorker() {
  if (lease_) environment_->workers->Release(std::exchange(lease_, Lease()));
}

}  // namespace holdfast
