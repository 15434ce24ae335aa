// The admin socket: a gRPC server that only the service's user can connect to.
#ifndef HOLDFAST_FRONTEND_ADMIN_ADMIN_SERVER_H_
#define HOLDFAST_FRONTEND_ADMIN_ADMIN_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "frontend/admin/admin_service.h"
#include "frontend/event_loop.h"
#include "frontend/listener.h"

namespace holdfast {

// Lives on the loop's thread. Calls run on threads of the server's own, kMaxThreads at most, which
// sleep as long as there are none: to steps it makes no difference.
class AdminServer {
 public:
  static constexpr int kMaxThreads = 16;

  // Listens on the Unix socket at `path`, in place of one that was left there, and serves
  // `service`, which outlives the server, from now on; and gRPC's reflection and channelz, if the
  // program has them. The path stays: see SpawnerClient::RemoveAtEnd(). InvalidArgument, about
  // --admin_socket: the path cannot be had.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(EventLoop* loop,
                                                            const std::string& path,
                                                            AdminService* service);
  // After Shutdown().
  ~AdminServer();

  // Ends the calls, those that would last a moment longer too, and waits for that.
  void Shutdown();

 private:
  AdminServer(EventLoop* loop, AdminService* service) : loop_(loop), service_(service) {}
  void CutSlowReaders();

  EventLoop* const loop_;
  AdminService* const service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Listener> listener_;
  std::thread poller_;
  Clock::TimerId timer_ = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_ADMIN_SERVER_H_
