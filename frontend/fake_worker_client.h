// A WorkerClient whose answers a test gives.
#ifndef HOLDFAST_FRONTEND_FAKE_WORKER_CLIENT_H_
#define HOLDFAST_FRONTEND_FAKE_WORKER_CLIENT_H_

#include <deque>
#include <utility>

#include "frontend/worker_client.h"

namespace holdfast {

// Single-threaded.
class FakeWorkerClient : public WorkerClient {
 public:
  struct PendingCall {
    WorkerMethod method;
    grpc::ByteBuffer request;
    absl::Time deadline;
    Done done;
  };

  void Call(WorkerMethod method, const grpc::ByteBuffer& request, absl::Time deadline,
            Done done) override {
    call_counter_->Begun();
    calls_.push_back({method, request, deadline, std::move(done)});
  }

  // Calls that have not been answered, oldest first.
  const std::deque<PendingCall>& calls() const { return calls_; }

  // Answers the oldest call. There must be one.
  void Answer(WorkerReply reply) {
    PendingCall call = std::move(calls_.front());
    calls_.pop_front();
    call_counter_->Ended();
    call.done(std::move(reply));
  }

 private:
  std::deque<PendingCall> calls_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_FAKE_WORKER_CLIENT_H_
