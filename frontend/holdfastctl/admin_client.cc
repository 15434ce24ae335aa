#include "frontend/holdfastctl/admin_client.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel_posix.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace holdfast {
namespace {

// The service itself needs two seconds at most.
constexpr std::chrono::seconds kCallTimeout(5);
constexpr absl::Duration kLookPeriod = absl::Milliseconds(50);

std::string SocketAt(const std::string& path) {
  struct stat info {};
  const bool is_directory = stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
  return is_directory ? absl::StrCat(path, "/admin.sock") : path;
}

const char* HintFor(int error) {
  switch (error) {
    case ENOENT:
      return ": no service runs there, or its --admin_socket is elsewhere";
    case ECONNREFUSED:
      return ": the service that had it is gone, or it is no socket";
    case EACCES:
      return ": it is another user's";
    case EAGAIN:
      return ": the service does not answer";
    default:
      return "";
  }
}

absl::StatusOr<UniqueFd> ConnectTo(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("the path of a socket has at most ",
                                                   sizeof(address.sun_path) - 1, " bytes, not ",
                                                   socket_path.size(), ": ", socket_path));
  }
  socket_path.copy(address.sun_path, socket_path.size());
  // It does not wait, neither for a service that is stopped.
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    const int error = errno;
    return absl::UnavailableError(absl::StrCat("cannot connect to ", socket_path, ": ",
                                               std::strerror(error), HintFor(error)));
  }
  return fd;
}

// Of the process that listens at the other end; none if it is not to be seen from here.
UniqueFd ProcessOf(int connection) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) {
    return UniqueFd();
  }
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0)));
}

void SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + kCallTimeout);
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminClient>> AdminClient::Connect(const std::string& path) {
  const std::string socket = SocketAt(path);
  absl::StatusOr<UniqueFd> connection = ConnectTo(socket);
  if (!connection.ok()) return connection.status();
  UniqueFd process = ProcessOf(connection->get());
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);  // A thousand sessions, each with a long URI.
  auto channel =
      grpc::CreateCustomInsecureChannelFromFd("holdfast", connection->release(), arguments);
  return absl::WrapUnique(
      new AdminClient(socket, std::move(process), admin::Admin::NewStub(channel)));
}

AdminClient::AdminClient(std::string socket, UniqueFd process,
                         std::unique_ptr<admin::Admin::Stub> stub)
    : socket_(std::move(socket)), process_(std::move(process)), stub_(std::move(stub)) {}

absl::Status AdminClient::Explain(const grpc::Status& status, absl::string_view what) const {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(
      static_cast<absl::StatusCode>(status.error_code()),
      absl::StrCat("cannot ", what, " the service at ", socket_, ": ", status.error_message()));
}

absl::StatusOr<admin::ServiceStatus> AdminClient::GetStatus(
    const admin::GetStatusRequest& request) {
  grpc::ClientContext context;
  SetDeadline(&context);
  admin::ServiceStatus reply;
  const grpc::Status status = stub_->GetStatus(&context, request, &reply);
  if (!status.ok()) return Explain(status, "ask");
  return reply;
}

absl::StatusOr<int64_t> AdminClient::Drain() {
  grpc::ClientContext context;
  SetDeadline(&context);
  admin::DrainReply reply;
  const grpc::Status status = stub_->Drain(&context, {}, &reply);
  if (!status.ok()) return Explain(status, "drain");
  return reply.sessions();
}

absl::StatusOr<int> AdminClient::KillWorker(uint64_t worker) {
  grpc::ClientContext context;
  SetDeadline(&context);
  admin::KillWorkerRequest request;
  request.set_worker(worker);
  admin::KillWorkerReply reply;
  const grpc::Status status = stub_->KillWorker(&context, request, &reply);
  if (!status.ok()) return Explain(status, "kill a worker of");
  return reply.pid();
}

absl::Status AdminClient::ReadLog(int lines, bool follow,
                                  const std::function<void(const std::string&)>& on_line) {
  grpc::ClientContext context;
  if (!follow) SetDeadline(&context);
  admin::ReadLogRequest request;
  request.set_lines(lines);
  request.set_follow(follow);
  const auto stream = stub_->ReadLog(&context);
  stream->Write(request);
  admin::LogLines reply;
  while (!reply.is_last() && stream->Read(&reply)) {
    for (const std::string& line : reply.lines()) on_line(line);
  }
  stream->WritesDone();
  const grpc::Status status = stream->Finish();
  // However the connection ends then.
  return reply.is_last() ? absl::OkStatus() : Explain(status, "read the log of");
}

absl::StatusOr<std::string> AdminClient::GetMetrics() {
  grpc::ClientContext context;
  SetDeadline(&context);
  admin::MetricsText reply;
  const grpc::Status status = stub_->GetMetrics(&context, {}, &reply);
  if (!status.ok()) return Explain(status, "ask");
  return std::move(*reply.mutable_text());
}

void AdminClient::AwaitEnd() {
  if (process_) {
    pollfd watched{process_.get(), POLLIN, 0};
    while (poll(&watched, 1, -1) < 0 && errno == EINTR) {
    }
    return;
  }
  // It removes its socket at its very end.
  while (ConnectTo(socket_).ok()) absl::SleepFor(kLookPeriod);
}

}  // namespace holdfast
