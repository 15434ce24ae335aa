// The front's end of a worker's step lane: steps as messages of one long call, which costs less
// than a call each. See StepLane in worker_control.proto.
#ifndef HOLDFAST_FRONTEND_STEP_LANE_H_
#define HOLDFAST_FRONTEND_STEP_LANE_H_

#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/impl/call.h>
#include <grpcpp/impl/call_op_set.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/completion_tag.h"
#include "frontend/call_gate.h"
#include "frontend/worker_client.h"

namespace holdfast {

// Carries one step at a time. Once a step has failed, by its deadline or with the link, the lane is
// of no use any more: its reply could come with the next one. Thread-safe. Must be owned by a
// shared_ptr, for it lives until gRPC is done with it.
class StepLane : public std::enable_shared_from_this<StepLane> {
 public:
  // Nothing is sent before the first step. `queue` is served as long as the lane lives.
  // Larger replies than `max_reply_bytes` are RESOURCE_EXHAUSTED.
  StepLane(std::shared_ptr<grpc::Channel> channel, int64_t max_reply_bytes,
           grpc::CompletionQueue* queue, CallGate* gate, std::shared_ptr<CallCounter> counter);

  // As WorkerClient::Call(), for the caller who has entered the gate, which is left with the end of
  // the step. `done` gets no answer, only a status, if the step failed with the lane. False: the
  // lane is of no use, or has a step under way; nothing was done.
  bool Step(const grpc::ByteBuffer& request, absl::Time deadline, WorkerClient::Done* done);

  // There are no more steps. One that is under way goes on, without a deadline.
  void Close();

 private:
  enum class State { kIdle, kStepping, kFailed };
  using Clock = std::chrono::steady_clock;
  using Handler = void (StepLane::*)(bool ok);
  struct Tag : CompletionTag {
    Tag(StepLane* lane, Handler handler) : lane(lane), handler(handler) {}
    void Proceed(bool ok) override { (lane->*handler)(ok); }
    StepLane* const lane;
    const Handler handler;
  };

  void Open() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WatchDeadline() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetAlarm(Clock::time_point now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // On the queue's thread.
  void Exchanged(bool ok);
  void Finished(bool ok);
  WorkerReply ReadReply();
  void EndStep(WorkerReply reply, State next);
  void Rang(bool ok);

  const std::shared_ptr<grpc::Channel> channel_;
  const int64_t max_reply_bytes_;
  grpc::CompletionQueue* const queue_;
  CallGate* const gate_;
  const std::shared_ptr<CallCounter> counter_;
  grpc::ClientContext context_;

  absl::Mutex mutex_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kIdle;
  WorkerClient::Done done_ ABSL_GUARDED_BY(mutex_);  // Null: it has been run.
  std::shared_ptr<StepLane> step_self_ ABSL_GUARDED_BY(mutex_);
  grpc::internal::Call call_ ABSL_GUARDED_BY(mutex_);  // Of nothing until the first step.
  // A step hardly ever takes until its deadline. So there is no alarm for each: one rings now and
  // then, to see whether the step under way is over its time.
  grpc::Alarm alarm_;
  Clock::time_point deadline_ ABSL_GUARDED_BY(mutex_);  // max(): none.
  Clock::time_point alarm_time_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<StepLane> alarm_self_ ABSL_GUARDED_BY(mutex_);  // Null: the alarm is not set.

  // What gRPC does for the step under way. One batch sends the request and receives the reply: the
  // classes for streams, which stand on these, take two, and two events of the queue.
  grpc::internal::CallOpSet<grpc::internal::CallOpSendInitialMetadata,
                            grpc::internal::CallOpSendMessage,
                            grpc::internal::CallOpRecvInitialMetadata,
                            grpc::internal::CallOpRecvMessage<grpc::ByteBuffer>>
      exchange_;
  grpc::internal::CallOpSet<grpc::internal::CallOpClientRecvStatus> finish_;
  std::multimap<std::string, std::string> no_metadata_;
  grpc::ByteBuffer reply_;
  grpc::Status final_status_;
  Tag exchanged_{this, &StepLane::Exchanged};
  Tag finished_{this, &StepLane::Finished};
  Tag rang_{this, &StepLane::Rang};
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_STEP_LANE_H_
