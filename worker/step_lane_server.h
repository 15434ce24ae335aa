// The worker's end of step lanes: see StepLane in worker_control.proto.
#ifndef HOLDFAST_WORKER_STEP_LANE_SERVER_H_
#define HOLDFAST_WORKER_STEP_LANE_SERVER_H_

#include <grpcpp/completion_queue.h>
#include <grpcpp/impl/call.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/byte_buffer.h>

#include <functional>
#include <utility>

#include "common/step_lane_reply.h"

namespace holdfast {

// All on the queue's thread, of which there is one. A front opens one lane; whoever drives a worker
// alone may open more.
class StepLaneServer {
 public:
  using Stream = grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;
  // The generated Request function of a WithRawMethod_StepLane service.
  using Listen = std::function<void(grpc::ServerContext*, Stream*, void* tag)>;
  using Step = std::function<StepLaneReplyView(const grpc::ByteBuffer& request)>;

  StepLaneServer(Listen listen, Step step) : listen_(std::move(listen)), step_(std::move(step)) {}

  // Serves lanes of `server` from now on. Once, after it was started.
  void Serve(grpc::internal::CallHook* server, grpc::CompletionQueue* queue);

 private:
  class Lane;

  const Listen listen_;
  const Step step_;
};

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_STEP_LANE_SERVER_H_
