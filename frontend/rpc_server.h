// The public service: a gRPC server whose calls, and the calls to workers, share one queue and
// thread.
#ifndef HOLDFAST_FRONTEND_RPC_SERVER_H_
#define HOLDFAST_FRONTEND_RPC_SERVER_H_

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/unary_server.h"
#include "common/unique_fd.h"
#include "frontend/grpc_worker_client.h"
#include "frontend/health/health_service.h"
#include "frontend/health/readiness.h"

namespace holdfast {

// Made, started and shut down by one thread; the queue is served by a thread of its own.
class RpcServer {
 public:
  struct Options {
    int64_t max_message_bytes = 0;
    bool has_reflection = true;
  };

  // `readiness` outlives it: what probes are told, to the end.
  RpcServer(const Options& options, const Readiness* readiness, UnaryServer::Hooks hooks);
  // After Shutdown(), or if Start() failed or was not called.
  ~RpcServer();

  // Serves `methods` of `service`, which are made for the queue. Internal: gRPC cannot start.
  // Health is served beside it.
  absl::Status Start(
      grpc::Service* service,
      const std::function<std::vector<UnaryServer::Method>(grpc::ServerCompletionQueue*)>& methods);

  // Any thread, between Start() and Shutdown(): a client's connection, CLOEXEC and non-blocking.
  void Serve(UniqueFd connection);

  // Any thread, until Shutdown(): runs `work` on the queue's thread.
  void RunOnQueue(absl::AnyInvocable<void()> work);

  // Any thread, until Shutdown(): the readiness has changed.
  void TellHealth();

  // The orderly end, in three steps. No new calls, but probes; `on_idle` runs, on the queue's
  // thread, when the last open one was answered.
  void Drain(absl::AnyInvocable<void()> on_idle);
  // Answers ABORTED to calls that are still open.
  void AbortCalls();
  // Waits for the worker calls under way, which must be about to end, and stops the thread.
  void Shutdown();

  grpc::CompletionQueue* queue() { return queue_.get(); }
  CallGate* gate() { return &gate_; }

 private:
  HealthService health_;
  grpc::ServerBuilder builder_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  CallGate gate_;
  UnaryServer calls_;
  std::thread thread_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_RPC_SERVER_H_
