#include "frontend/rpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>

#include <chrono>
#include <climits>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/synchronization/notification.h"
#include "common/queue_work.h"
#include "common/server_plugins.h"

namespace holdfast {

RpcServer::RpcServer(const Options& options, const Readiness* readiness, UnaryServer::Hooks hooks)
    : health_(readiness), calls_(std::move(hooks)) {
  builder_.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  builder_.SetMaxSendMessageSize(-1);  // Workers' replies are bounded where they come in.
  // Each message sets gRPC's timer anew, for 3 % of a step: the listener leaves it to the kernel.
  builder_.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, INT_MAX);
  // Replies are not compressed; requests may be.
  builder_.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
  // To be linked in, it must be called. Its calls run on threads of their own, which wait only for
  // them, as the server has a queue for asynchronous calls: steps do not notice.
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  std::vector<std::string> plugins;
  if (options.has_reflection) plugins.emplace_back(kReflectionPlugin);
  builder_.SetOption(absl::make_unique<OnlyPlugins>(std::move(plugins)));
  queue_ = builder_.AddCompletionQueue();
  // Unlike AddInsecureChannelFromFd(), it knows the peer, and cuts who connects and never speaks.
  acceptor_ = builder_.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
}

RpcServer::~RpcServer() {
  if (thread_.joinable() || queue_ == nullptr) return;
  if (server_ != nullptr) server_->Shutdown();
  queue_->Shutdown();
  ServeQueue(queue_.get());
}

absl::Status RpcServer::Start(
    grpc::Service* service,
    const std::function<std::vector<UnaryServer::Method>(grpc::ServerCompletionQueue*)>& methods) {
  builder_.RegisterService(service);
  builder_.RegisterService(health_.service());
  server_ = builder_.BuildAndStart();
  if (server_ == nullptr) return absl::InternalError("cannot start the gRPC server");
  calls_.Serve(methods(queue_.get()));
  health_.Serve(queue_.get());
  thread_ = std::thread([this] { ServeQueue(queue_.get()); });
  return absl::OkStatus();
}

void RpcServer::Serve(UniqueFd connection) {
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.fd = connection.release();
  acceptor_->HandleNewConnection(&parameters);
}

void RpcServer::RunOnQueue(absl::AnyInvocable<void()> work) {
  holdfast::RunOnQueue(queue_.get(), std::move(work));
}

void RpcServer::TellHealth() {
  RunOnQueue([this] { health_.TellWatches(); });
}

void RpcServer::Drain(absl::AnyInvocable<void()> on_idle) {
  RunOnQueue([this, on_idle = std::move(on_idle)]() mutable {
    // No call that we refuse can have been applied, so the client may re-send it elsewhere.
    calls_.RefuseCalls(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the service is shutting down"),
                       std::move(on_idle));
  });
}

void RpcServer::AbortCalls() {
  RunOnQueue([this] {
    calls_.AbortCalls(grpc::Status(grpc::StatusCode::ABORTED, "the service is shutting down"));
  });
}

void RpcServer::Shutdown() {
  gate_.CloseAndWait();
  absl::Notification told;
  RunOnQueue([this, &told] {
    health_.EndWatches();
    told.Notify();
  });
  told.WaitForNotification();
  // Calls are all answered by now; a deadline in the past cuts idle connections.
  server_->Shutdown(std::chrono::system_clock::now());
  // A call may have arrived just before: its handler must not meet a queue that was shut down.
  absl::Notification quiet;
  RunOnQueue([&quiet] { quiet.Notify(); });
  quiet.WaitForNotification();
  queue_->Shutdown();
  thread_.join();
}

}  // namespace holdfast
