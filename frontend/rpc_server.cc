#include "frontend/rpc_server.h"

#include <sys/stat.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "common/queue_work.h"

namespace holdfast {
namespace {

// Sets the mask for files that this process makes, for a scope. Process-wide: other threads should
// make none meanwhile.
class ScopedUmask {
 public:
  explicit ScopedUmask(mode_t mask) : previous_(umask(mask)) {}
  ~ScopedUmask() { umask(previous_); }

 private:
  const mode_t previous_;
};

}  // namespace

RpcServer::RpcServer(int64_t max_message_bytes, UnaryServer::Hooks hooks)
    : calls_(std::move(hooks)) {
  builder_.SetMaxReceiveMessageSize(static_cast<int>(max_message_bytes));
  builder_.SetMaxSendMessageSize(-1);  // Workers' replies are bounded where they come in.
  // Two services must not share a port by accident.
  builder_.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  queue_ = builder_.AddCompletionQueue();
}

RpcServer::~RpcServer() {
  if (thread_.joinable() || queue_ == nullptr) return;
  if (server_ != nullptr) server_->Shutdown();
  queue_->Shutdown();
  ServeQueue(queue_.get());
}

absl::Status RpcServer::Start(
    const std::string& address, grpc::Service* service,
    const std::function<std::vector<UnaryServer::Method>(grpc::ServerCompletionQueue*)>& methods) {
  builder_.AddListeningPort(address, grpc::InsecureServerCredentials(), &port_);
  builder_.RegisterService(service);
  {
    const ScopedUmask socket_mode(0177);
    server_ = builder_.BuildAndStart();
  }
  absl::string_view path = address;
  const bool is_unix = absl::ConsumePrefix(&path, "unix:");
  if (is_unix) port_ = 0;
  if (server_ == nullptr || (!is_unix && port_ <= 0)) {
    return absl::InvalidArgumentError(absl::StrCat("--listen: cannot listen on ", address));
  }
  calls_.Serve(methods(queue_.get()));
  thread_ = std::thread([this] { ServeQueue(queue_.get()); });
  return absl::OkStatus();
}

void RpcServer::RunOnQueue(absl::AnyInvocable<void()> work) {
  holdfast::RunOnQueue(queue_.get(), std::move(work));
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
