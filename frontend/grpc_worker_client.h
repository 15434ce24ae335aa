// The real WorkerClient: gRPC over one end of a link.
#ifndef HOLDFAST_FRONTEND_GRPC_WORKER_CLIENT_H_
#define HOLDFAST_FRONTEND_GRPC_WORKER_CLIENT_H_

#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>

#include "common/unique_fd.h"
#include "frontend/call_gate.h"
#include "frontend/step_lane.h"
#include "frontend/worker_client.h"

namespace holdfast {

// `done` runs on the thread that serves `queue`. Calls after the gate was closed are dropped: their
// `done` is destroyed without being run. By then every client has its answer.
class GrpcWorkerClient : public WorkerClient {
 public:
  // `link` is a connected, non-blocking socket. `max_message_bytes` bounds replies: a larger one
  // fails the call.
  GrpcWorkerClient(UniqueFd link, int max_message_bytes, grpc::CompletionQueue* queue,
                   CallGate* gate);
  ~GrpcWorkerClient() override;

  void Call(WorkerMethod method, const grpc::ByteBuffer& request, absl::Time deadline,
            Done done) override;
  void UseStepLane() override;

 private:
  struct PendingCall;

  const int64_t max_message_bytes_;
  grpc::CompletionQueue* const queue_;
  CallGate* const gate_;
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_{channel_};
  std::shared_ptr<StepLane> lane_;  // Null: steps are calls like any other.
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_GRPC_WORKER_CLIENT_H_
