#include "frontend/step_lane.h"

#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "common/invariant.h"
#include "common/step_lane_reply.h"

namespace holdfast {
namespace {

constexpr char kPath[] = "/holdfast.WorkerControl/StepLane";
// Between two looks at the step under way. Earlier for an earlier deadline.
constexpr std::chrono::seconds kAlarmPeriod(1);
// What is later is no deadline.
constexpr absl::Duration kMaxLeft = absl::Hours(24 * 365);

}  // namespace

StepLane::StepLane(std::shared_ptr<grpc::Channel> channel, int64_t max_reply_bytes,
                   grpc::CompletionQueue* queue, CallGate* gate,
                   std::shared_ptr<CallCounter> counter)
    : channel_(std::move(channel)),
      max_reply_bytes_(max_reply_bytes),
      queue_(queue),
      gate_(gate),
      counter_(std::move(counter)) {}

bool StepLane::Step(const grpc::ByteBuffer& request, absl::Time deadline,
                    WorkerClient::Done* done) {
  absl::MutexLock lock(&mutex_);
  if (state_ != State::kIdle) return false;
  state_ = State::kStepping;
  step_self_ = shared_from_this();
  done_ = std::move(*done);
  // A wall clock that is set must not end the step, nor make it last.
  const absl::Duration left = deadline - absl::Now();
  deadline_ =
      left > kMaxLeft ? Clock::time_point::max() : Clock::now() + absl::ToChronoNanoseconds(left);
  WatchDeadline();
  counter_->Begun();
  if (call_.call() == nullptr) Open();
  CheckInvariant(exchange_.SendMessage(request).ok(), "bytes need no serialising");
  exchange_.RecvMessage(&reply_);
  exchange_.set_output_tag(static_cast<CompletionTag*>(&exchanged_));
  call_.PerformOps(&exchange_);
  return true;
}

void StepLane::Open() {
  grpc::GenericStub(channel_).PrepareCall(&context_, kPath, queue_);
  call_ = grpc::internal::Call(context_.c_call(), channel_.get(), queue_);
  exchange_.SendInitialMetadata(&no_metadata_, /*flags=*/0);
  exchange_.RecvInitialMetadata(&context_);
}

void StepLane::Exchanged(bool ok) {
  if (!ok) {
    absl::MutexLock lock(&mutex_);
    finish_.ClientRecvStatus(&context_, &final_status_);
    finish_.set_output_tag(static_cast<CompletionTag*>(&finished_));
    call_.PerformOps(&finish_);
    return;
  }
  WorkerReply reply = ReadReply();
  reply_.Clear();
  const State next = reply.answer.has_value() ? State::kIdle : State::kFailed;
  EndStep(std::move(reply), next);
}

WorkerReply StepLane::ReadReply() {
  WorkerReply reply;
  StepLaneReplyView view;
  if (!DecodeStepLaneReply(reply_, &view)) {
    reply.status = grpc::Status(grpc::StatusCode::INTERNAL, "the worker's reply is malformed");
  } else if (static_cast<int64_t>(view.reply.Length()) > max_reply_bytes_) {
    reply.status = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the reply is too large");
  } else {
    reply = {view.status, view.reply, std::move(view.answer)};
  }
  return reply;
}

void StepLane::Finished(bool /*ok*/) {
  WorkerReply reply;
  reply.status = final_status_.ok()
                     ? grpc::Status(grpc::StatusCode::INTERNAL, "the worker closed its step lane")
                     : final_status_;
  EndStep(std::move(reply), State::kFailed);
}

void StepLane::EndStep(WorkerReply reply, State next) {
  std::shared_ptr<StepLane> self;
  WorkerClient::Done done;
  {
    absl::MutexLock lock(&mutex_);
    self = std::move(step_self_);
    done = std::exchange(done_, nullptr);
    if (state_ == State::kStepping) state_ = next;
  }
  if (done) {
    counter_->Ended();
    done(std::move(reply));
  }
  gate_->Leave();
}

void StepLane::WatchDeadline() {
  if (deadline_ == Clock::time_point::max()) return;
  if (alarm_self_ == nullptr) {
    SetAlarm(Clock::now());
  } else if (deadline_ < alarm_time_) {
    alarm_.Cancel();  // It rings at once, and is set anew.
  }
}

void StepLane::SetAlarm(Clock::time_point now) {
  alarm_self_ = shared_from_this();
  alarm_time_ = std::min<Clock::time_point>(deadline_, now + kAlarmPeriod);
  alarm_.Set(queue_, std::chrono::system_clock::now() + (alarm_time_ - now),
             static_cast<CompletionTag*>(&rang_));
}

void StepLane::Rang(bool /*ok*/) {
  std::shared_ptr<StepLane> self;
  WorkerClient::Done done;
  {
    absl::MutexLock lock(&mutex_);
    self = std::move(alarm_self_);
    if (state_ != State::kStepping || deadline_ == Clock::time_point::max()) return;
    const Clock::time_point now = Clock::now();
    if (now < deadline_) {
      SetAlarm(now);
      return;
    }
    state_ = State::kFailed;
    done = std::exchange(done_, nullptr);
  }
  counter_->Ended();
  context_.TryCancel();
  WorkerReply late;
  late.status = grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded");
  done(std::move(late));
}

void StepLane::Close() {
  absl::MutexLock lock(&mutex_);
  state_ = State::kFailed;
  if (alarm_self_ != nullptr) alarm_.Cancel();
}

}  // namespace holdfast
