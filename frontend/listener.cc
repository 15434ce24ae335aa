#include "frontend/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "frontend/logging/log.h"

namespace holdfast {
namespace {

// Of one socket, before the loop turns to others.
constexpr int kMaxAcceptsAtOnce = 32;
// Before it is tried again to accept.
constexpr absl::Duration kPause = absl::Milliseconds(100);
// Between two warnings: a shortage may last, or come and go.
constexpr absl::Duration kMinWarningPeriod = absl::Minutes(1);

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::Status ErrnoError() { return absl::InvalidArgumentError(std::strerror(errno)); }

UniqueFd NewSocket(int family) {
  return UniqueFd(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

absl::StatusOr<AddressList> Resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) return absl::InvalidArgumentError(gai_strerror(error));
  return AddressList(found, &freeaddrinfo);
}

// Of a TCP socket's address, in the network's order.
in_port_t* PortIn(sockaddr_storage* address) {
  return address->ss_family == AF_INET6 ? &reinterpret_cast<sockaddr_in6*>(address)->sin6_port
                                        : &reinterpret_cast<sockaddr_in*>(address)->sin_port;
}

// Binds a socket to `where` and `port`, and sets `port` to what it has got. NotFound: this machine
// has no such address.
absl::StatusOr<UniqueFd> BindTcp(const addrinfo& where, int* port) {
  sockaddr_storage address{};
  std::memcpy(&address, where.ai_addr, where.ai_addrlen);
  *PortIn(&address) = htons(*port);
  socklen_t size = where.ai_addrlen;
  UniqueFd fd = NewSocket(where.ai_family);
  const int on = 1;
  // Connections of the last run may hold the port for a while; two listeners still cannot share it.
  // Connections inherit the other two. The kernel finds out who is gone without a word.
  if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0 ||
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
      bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    const bool is_elsewhere = errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT;
    return is_elsewhere ? absl::NotFoundError(std::strerror(errno)) : ErrnoError();
  }
  *port = ntohs(*PortIn(&address));
  return fd;
}

// Makes room for a socket of ours: removes one of a run that was killed, and nothing else.
absl::Status RemoveStaleSocket(const sockaddr_un& address) {
  struct stat found {};
  if (lstat(address.sun_path, &found) != 0 || !S_ISSOCK(found.st_mode)) return absl::OkStatus();
  const UniqueFd probe = NewSocket(AF_UNIX);
  if (!probe) return ErrnoError();
  const bool is_connected =
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  if (is_connected || errno == EAGAIN) {
    return absl::InvalidArgumentError("another process listens on it");
  }
  if (errno == ECONNREFUSED) unlink(address.sun_path);
  // ENOENT: the spawner of that run has just removed it.
  return errno == ECONNREFUSED || errno == ENOENT ? absl::OkStatus() : ErrnoError();
}

// /etc/hosts may name an address twice.
bool IsRepeated(const addrinfo* first, const addrinfo* one) {
  for (const addrinfo* other = first; other != one; other = other->ai_next) {
    if (other->ai_addrlen == one->ai_addrlen &&
        std::memcmp(other->ai_addr, one->ai_addr, one->ai_addrlen) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Open(EventLoop* loop,
                                                         const std::string& address,
                                                         absl::string_view flag) {
  auto listener = absl::WrapUnique(new Listener(loop));
  absl::Status status = absl::InvalidArgumentError("not HOST:PORT or unix:PATH");
  absl::string_view rest = address;
  const size_t colon = rest.rfind(':');
  int port = 0;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    status = listener->ListenUnix(std::string(rest));
  } else if (colon != absl::string_view::npos && absl::SimpleAtoi(rest.substr(colon + 1), &port) &&
             port >= 0 && port <= 65535) {
    status = listener->ListenTcp(rest.substr(0, colon), port);
  }
  if (status.ok()) return listener;
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": cannot listen on ", address, ": ", status.message()));
}

Listener::~Listener() { loop_->Cancel(resume_); }

absl::Status Listener::ListenUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the path has ", path.size(), " bytes, must have 1 to ", sizeof(address.sun_path) - 1));
  }
  path.copy(address.sun_path, path.size());
  UniqueFd fd = NewSocket(AF_UNIX);
  if (!fd) return ErrnoError();
  absl::Status status = RemoveStaleSocket(address);
  if (!status.ok()) return status;
  // The file gets its mode from the socket: there is no moment in which others may open it.
  if (fchmod(fd.get(), 0600) != 0 ||
      bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoError();
  }
  return Add(std::move(fd));
}

absl::Status Listener::ListenTcp(absl::string_view host, int port) {
  if (absl::ConsumePrefix(&host, "[")) {
    if (!absl::ConsumeSuffix(&host, "]")) return absl::InvalidArgumentError("']' is missing");
  } else if (absl::StrContains(host, ':')) {
    return absl::InvalidArgumentError("an IPv6 address stands in brackets");
  }
  const absl::StatusOr<AddressList> addresses = Resolve(std::string(host));
  if (!addresses.ok()) return addresses.status();
  port_ = port;
  absl::Status status;
  for (const addrinfo* one = addresses->get(); one != nullptr; one = one->ai_next) {
    if (IsRepeated(addresses->get(), one)) continue;
    absl::StatusOr<UniqueFd> fd = BindTcp(*one, &port_);  // The further ones get the first's port.
    if (fd.ok()) {
      status = Add(*std::move(fd));
      if (!status.ok()) return status;
    } else if (absl::IsNotFound(fd.status())) {
      status = fd.status();  // A name may have an IPv6 address on a machine without IPv6.
    } else {
      return fd.status();
    }
  }
  return sockets_.empty() ? status : absl::OkStatus();
}

absl::Status Listener::Add(UniqueFd fd) {
  if (listen(fd.get(), SOMAXCONN) != 0) return ErrnoError();
  const int socket = fd.get();
  auto watcher = FdWatcher::Create(loop_->uv(), socket, [this, socket](int events) {
    if (events == 0) {
      Pause("the socket has an error");
    } else {
      Accept(socket);
    }
  });
  if (watcher == nullptr) return absl::InvalidArgumentError("the socket cannot be watched");
  sockets_.push_back({std::move(fd), std::move(watcher)});
  return absl::OkStatus();
}

void Listener::Start(Handler on_connection) {
  on_connection_ = std::move(on_connection);
  Watch();
}

void Listener::Watch() {
  for (Socket& socket : sockets_) socket.watcher->Watch(UV_READABLE);
}

void Listener::Accept(int socket) {
  for (int i = 0; i < kMaxAcceptsAtOnce; ++i) {
    UniqueFd connection(accept4(socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection) {
      on_connection_(std::move(connection));
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      // EMFILE, ENFILE, ENOBUFS, ENOMEM; and whatever else it is, it must not end the service, nor
      // keep the loop busy.
      Pause(std::strerror(errno));
      return;
    }
  }
}

void Listener::Pause(absl::string_view why) {
  for (Socket& socket : sockets_) socket.watcher->Watch(0);
  if (resume_ != 0) return;
  resume_ = loop_->RunAfter(kPause, [this] {
    resume_ = 0;
    Watch();
  });
  if (loop_->Now() - warned_ < kMinWarningPeriod) return;
  warned_ = loop_->Now();
  LogWarning(Subsystem::kListener, "cannot accept connections, trying on", {{"why", why}});
}

}  // namespace holdfast
