// The real WorkerClient: gRPC over one end of a socket pair.
#ifndef HOLDFAST_FRONTEND_GRPC_WORKER_CLIENT_H_
#define HOLDFAST_FRONTEND_GRPC_WORKER_CLIENT_H_

#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/unique_fd.h"
#include "frontend/worker_client.h"

namespace holdfast {

// The one place through which calls to workers start. gRPC aborts the process if a call starts
// after its queue was shut down, so the gate is closed first, and waits for the calls under way.
// Thread-safe.
class CallGate {
 public:
  // False: closed. Otherwise the call is counted until Leave().
  bool Enter();
  void Leave();
  // Closes the gate and waits until all calls have left. The queue must be served meanwhile.
  void CloseAndWait();

 private:
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t entered_ ABSL_GUARDED_BY(mutex_) = 0;
};

// `done` runs on the thread that serves `queue`. Calls after the gate was closed are dropped: their
// `done` is destroyed without being run. By then every client has its answer.
class GrpcWorkerClient : public WorkerClient {
 public:
  // `link` is a connected, non-blocking socket. `max_message_bytes` bounds replies: a larger one
  // fails the call.
  GrpcWorkerClient(UniqueFd link, int max_message_bytes, grpc::CompletionQueue* queue,
                   CallGate* gate);

  void Call(WorkerMethod method, const grpc::ByteBuffer& request, absl::Time deadline,
            Done done) override;

 private:
  struct PendingCall;

  grpc::CompletionQueue* const queue_;
  CallGate* const gate_;
  grpc::GenericStub stub_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_GRPC_WORKER_CLIENT_H_
