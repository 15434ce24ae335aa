#include "frontend/worker_link.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <utility>

namespace holdfast {
namespace {

constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
// Loopback connects within microseconds, or, where a firewall drops what it carries, never.
constexpr int kConnectMillis = 20;
// Of others who connect to our port just now.
constexpr int kMaxStrangers = 8;

sockaddr_in Loopback() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

template <typename GetName>
bool Name(GetName get_name, const UniqueFd& socket, sockaddr_in* address) {
  socklen_t size = sizeof(*address);
  return get_name(socket.get(), reinterpret_cast<sockaddr*>(address), &size) == 0;
}

template <typename Value>
bool Set(const UniqueFd& socket, int level, int option, const Value& value) {
  return setsockopt(socket.get(), level, option, &value, sizeof(value)) == 0;
}

bool Await(const UniqueFd& socket, short events) {  // NOLINT(google-runtime-int): poll(2)'s type.
  pollfd awaited{socket.get(), events, 0};
  return poll(&awaited, 1, kConnectMillis) == 1;
}

bool Prepare(const UniqueFd& socket) {
  // Ends with a reset: closed connections, one for each worker, would use up the ports for a minute.
  constexpr linger kReset{1, 0};
  return Set(socket, IPPROTO_TCP, TCP_NODELAY, 1) && Set(socket, SOL_SOCKET, SO_LINGER, kReset);
}

// No link, if that cannot be.
FdPair ConnectOverLoopback() {
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | kFlags, 0));
  FdPair link;
  link.first = UniqueFd(socket(AF_INET, SOCK_STREAM | kFlags, 0));
  sockaddr_in address = Loopback();
  auto* const any_address = reinterpret_cast<sockaddr*>(&address);
  if (!listener || !link.first || bind(listener.get(), any_address, sizeof(address)) != 0 ||
      listen(listener.get(), kMaxStrangers) != 0 || !Name(getsockname, listener, &address)) {
    return {};
  }
  // It may be under way still.
  static_cast<void>(connect(link.first.get(), any_address, sizeof(address)));
  sockaddr_in own{};
  if (!Name(getsockname, link.first, &own)) return {};
  for (int i = 0; i < kMaxStrangers && Await(listener, POLLIN); ++i) {
    link.second = UniqueFd(accept4(listener.get(), nullptr, nullptr, kFlags));
    sockaddr_in peer{};
    if (!Name(getpeername, link.second, &peer) || peer.sin_port != own.sin_port ||
        peer.sin_addr.s_addr != own.sin_addr.s_addr) {
      continue;
    }
    if (!Await(link.first, POLLOUT) || !Prepare(link.first) || !Prepare(link.second)) return {};
    return link;
  }
  return {};
}

}  // namespace

absl::StatusOr<FdPair> MakeWorkerLink() {
  FdPair link = ConnectOverLoopback();
  if (link.first && link.second) return link;
  return MakeSocketPair(SOCK_STREAM);
}

}  // namespace holdfast
