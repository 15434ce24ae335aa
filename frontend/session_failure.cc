// Session: losing a worker, whether it failed or was given up, and what becomes of the call.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "frontend/session.h"
#include "frontend/worker_limits.h"

namespace holdfast {
namespace {

// How long a worker whose link failed may take to end by itself: its exit tells more than our kill.
constexpr absl::Duration kExitGrace = absl::Milliseconds(200);

}  // namespace

void Session::OnWorkerExit(uint64_t loan, WorkerFailure failure) {
  absl::MutexLock lock(&mutex_);
  if (!lease_ || loan != loan_) return;
  ReleaseWorker();
  if (current_ != nullptr) {
    ++epoch_;  // The call or the replay, whose own failure may still be on its way.
    OnWorkerGone(failure);
    return;
  }
  failure.set_actions_applied(history_.action_count());
  failure.set_attempts(1);
  failure.set_session_restored(environment_->abilities().is_rebuildable);
  TellFailure(failure);
  if (!failure.session_restored()) last_failure_ = std::make_unique<WorkerFailure>(failure);
  is_recovery_due_ = true;
  Transition(SessionState::kParked);
}

void Session::DiscardWorker(const grpc::Status& status) {
  const bool is_late = status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  const uint64_t epoch = ++epoch_;
  environment_->workers->Discard(TakeLease(),
                                 is_late ? WorkerFailure::TIME_LIMIT : WorkerFailure::LINK,
                                 is_late ? absl::ZeroDuration() : kExitGrace,
                                 [self = shared_from_this(), epoch](const WorkerFailure& failure) {
                                   absl::MutexLock lock(&self->mutex_);
                                   if (epoch == self->epoch_) self->OnWorkerGone(failure);
                                 });
}

void Session::OnWorkerGone(WorkerFailure failure) {
  static constexpr const char* kDuring[] = {"StartSession", "Step",     "SendSessionParameter",
                                            "ForkSession",  "Snapshot", "Prefetch"};
  if (!is_replaying_) {
    ++current_->attempts;
    current_->is_tried = true;
  }
  is_recovery_due_ = current_->kind != Kind::kStart;
  failure.set_during(is_replaying_ ? kDuringRecovery : kDuring[static_cast<int>(current_->kind)]);
  failure.set_actions_applied(history_.action_count());
  failure.set_attempts(std::max(current_->attempts, 1));
  failure.set_session_restored(current_->kind != Kind::kStart);
  if (failure.cause() == WorkerFailure::TIME_LIMIT) {
    // A caller in a hurry says nothing about the step, nor does a replay that left it little time.
    const bool is_ours =
        !is_replaying_ && current_->budget == current_->turn_start + environment_->step_timeout &&
        current_->call_start - current_->turn_start < 0.1 * environment_->step_timeout;
    SetLimit(is_ours ? "--step_timeout" : "",
             absl::ToDoubleSeconds(current_->budget - current_->turn_start),
             absl::ToDoubleSeconds(absl::Now() - current_->turn_start), &failure);
  }
  TellFailure(failure);
  if (std::exchange(is_replaying_, false)) {
    OnReplayFailed(failure, absl::StrCat("the worker ", DescribeFailure(failure)));
  } else if (current_->kind == Kind::kSnapshot) {
    if (state_ != SessionState::kEnded) Transition(SessionState::kParked);
    FinishSnapshot(
        nullptr, IsResourceLimit(failure.cause()) || failure.cause() == WorkerFailure::TIME_LIMIT);
  } else {
    if (current_->attempts == 1) current_->first_failure = failure;
    OnCallFailed(failure);
  }
  RunTurns();
}

void Session::TellFailure(const WorkerFailure& failure) {
  CrashEvent event;
  event.session = id_;
  event.worker = worker_;
  event.origin = origin_;
  event.history = history_.Fork();
  event.failure = failure;
  if (current_ != nullptr && !is_replaying_) {
    event.is_start = current_->kind == Kind::kStart;
    event.start_observations = current_->start_observations;
    if (current_->kind == Kind::kStep) event.step = current_->request;
    if (current_->kind == Kind::kParameters) {
      event.parameter = current_->parameters.parameter(current_->parameter_replies.reply_size());
    }
  }
  environment_->on_failure(std::move(event));
}

void Session::OnCallFailed(const WorkerFailure& failure) {
  if (current_->kind != Kind::kStart && !environment_->abilities().is_rebuildable) {
    Transition(SessionState::kRecovering);
    Lose(absl::StrCat("sessions of this type cannot be replayed, and the worker ",
                      DescribeFailure(failure)),
         failure);
    return;
  }
  const Verdict verdict = JudgeFailure(failure.cause(), current_->attempts,
                                       environment_->step_retries, current_->budget - absl::Now());
  if (verdict == Verdict::kRetry) {
    Materialise();
    return;
  }
  Transition(SessionState::kParked);
  if (current_->kind == Kind::kStart) {
    FinishCurrent(StartFailureStatus(origin_.benchmark->uri(), verdict,
                                     /*is_limit_ours=*/!failure.limit_flag().empty(), failure));
    return;
  }
  const std::string what = DescribeCurrent();
  const std::string where = DescribeActivity(failure);
  const std::string why = absl::StrCat(where, where.empty() ? "" : " ", "(session ", id_,
                                       " is as before it): the worker ", DescribeFailure(failure));
  switch (verdict) {
    case Verdict::kTimeLimit:
      FinishFailed(grpc::StatusCode::DEADLINE_EXCEEDED,
                   absl::StrCat(what, " did not end within ",
                                absl::FormatDuration(current_->budget - current_->turn_start),
                                " (--step_timeout, or the caller's deadline) ", why),
                   failure);
      return;
    case Verdict::kResourceLimit:
      FinishFailed(grpc::StatusCode::RESOURCE_EXHAUSTED, absl::StrCat(what, " failed ", why),
                   failure);
      return;
    case Verdict::kUnconfirmed:
      FinishUnconfirmed(absl::StrCat(what, ": "), current_->attempts == 1
                                                      ? "there was no retry"
                                                      : "no time was left for the retry");
      return;
    default:
      FinishFailed(grpc::StatusCode::ABORTED,
                   absl::StrCat(what, " failed in ", current_->attempts, " of ", current_->attempts,
                                " attempts ", why),
                   failure);
      return;
  }
}

void Session::FinishFailed(grpc::StatusCode code, const std::string& message,
                           const WorkerFailure& failure) {
  const grpc::Status status = MakeFailureStatus(code, message, failure);
  // What others of its calls have left behind in the worker is not the step's fault.
  const bool may_be_anothers =
      !current_->was_worker_fresh && (failure.cause() == WorkerFailure::MEMORY_LIMIT ||
                                      failure.cause() == WorkerFailure::PROCESS_LIMIT);
  if (current_->kind == Kind::kStep && !may_be_anothers &&
      IsPoison(current_->first_failure, failure)) {
    poisoned_.Add(history_.entry_count(), current_->request, status, failure);
  }
  FinishCurrent(status);
}

std::string Session::DescribeCurrent() const {
  if (current_->kind == Kind::kStep) {
    return absl::StrCat("Step [",
                        environment_->describe_actions(origin_.action_space, current_->step), "]");
  }
  return absl::StrCat(
      "SendSessionParameter [",
      current_->parameters.parameter(current_->parameter_replies.reply_size()).key(), "]");
}

void Session::FinishUnconfirmed(const std::string& what, absl::string_view why_no_retry) {
  WorkerFailure failure = current_->first_failure;
  failure.set_attempts(std::max(current_->attempts, 1));
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
  const WorkerSource::Ticket waiting = std::exchange(lease_request_, {});
  if (waiting.number != 0) environment_->workers->Cancel(waiting);
  if (!lease_) return;
  environment_->workers->Discard(TakeLease(), WorkerFailure::PREEMPTED, absl::ZeroDuration(),
                                 [](const WorkerFailure&) {});
}

void Session::ReleaseWorker() {
  if (lease_) environment_->workers->Release(TakeLease());
}

Lease Session::TakeLease() {
  is_asked_back_ = false;
  ForgetPrefetch();
  // The client may not have fetched its files yet.
  if (lease_.client_files != nullptr && lease_.client_files->Exist() &&
      state_ != SessionState::kEnded) {
    client_files_.push_back(lease_.client_files);
  }
  return std::exchange(lease_, Lease());
}

}  // namespace holdfast
