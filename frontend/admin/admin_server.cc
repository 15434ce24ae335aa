#include "frontend/admin/admin_server.h"

#include <grpcpp/resource_quota.h>
#include <stdlib.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/server_plugins.h"

namespace holdfast {
namespace {

constexpr absl::Duration kCutPeriod = absl::Seconds(1);
// For calls that are under way at the end.
constexpr std::chrono::milliseconds kShutdownTimeout(500);

// Whether whoever waits in gRPC waits for the descriptors of all servers and channels of the
// process.
bool HasOneDescriptorSet() {
  const char* strategy = getenv("GRPC_POLL_STRATEGY");
  return strategy == nullptr || absl::string_view(strategy) == "all" ||
         absl::string_view(strategy) == "epoll1";
}

void Await(grpc::CompletionQueue* queue) {
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) {
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(EventLoop* loop,
                                                                const std::string& path,
                                                                AdminService* service) {
  auto server = absl::WrapUnique(new AdminServer(loop, service));
  absl::StatusOr<std::unique_ptr<Listener>> listener =
      Listener::Open(loop, absl::StrCat("unix:", path), "--admin_socket");
  if (!listener.ok()) return listener.status();
  server->listener_ = *std::move(listener);

  grpc::ServerBuilder builder;
  // A second thread that waits in gRPC for descriptors takes its turn with the queue's thread, and
  // makes each step dearer by half. With a queue for asynchronous calls, though there are none, the
  // server's own threads do not wait for descriptors but only for calls, and what comes in is read
  // by the queue's thread of the public server.
  server->queue_ = builder.AddCompletionQueue();
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  builder.SetResourceQuota(grpc::ResourceQuota("admin").SetMaxThreads(kMaxThreads));
  builder.SetOption(
      absl::make_unique<OnlyPlugins>(std::vector<std::string>{kChannelzPlugin, kReflectionPlugin}));
  builder.RegisterService(service);
  server->acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) {
    return absl::InternalError("cannot start the gRPC server of --admin_socket");
  }
  if (!HasOneDescriptorSet()) {
    server->poller_ = std::thread([queue = server->queue_.get()] { Await(queue); });
  }
  server->listener_->Start([acceptor = server->acceptor_.get()](UniqueFd connection) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
    parameters.fd = connection.release();
    acceptor->HandleNewConnection(&parameters);
  });
  server->CutSlowReaders();
  return server;
}

AdminServer::~AdminServer() {
  loop_->Cancel(timer_);
  if (queue_ == nullptr) return;
  if (server_ != nullptr) server_->Shutdown();
  queue_->Shutdown();
  if (poller_.joinable()) {
    poller_.join();
  } else {
    Await(queue_.get());
  }
}

void AdminServer::CutSlowReaders() {
  service_->CutSlowReaders();
  timer_ = loop_->RunAfter(kCutPeriod, [this] { CutSlowReaders(); });
}

void AdminServer::Shutdown() {
  listener_.reset();
  service_->Stop();
  server_->Shutdown(std::chrono::system_clock::now() + kShutdownTimeout);
}

}  // namespace holdfast
