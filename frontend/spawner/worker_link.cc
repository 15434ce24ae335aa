#include "frontend/spawner/worker_link.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace holdfast {
namespace {

constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
// Loopback connects within microseconds, or, where a firewall drops what it carries, never.
constexpr int kConnectMillis = 20;
constexpr int kBacklog = 8;

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
  // Ends with a reset: closed connections, one for each worker, would use up the ports for a
  // minute.
  constexpr linger kReset{1, 0};
  return Set(socket, IPPROTO_TCP, TCP_NODELAY, 1) && Set(socket, SOL_SOCKET, SO_LINGER, kReset);
}

// Whether the two ends are of one connection, and the other is no stranger's.
bool IsConnected(const UniqueFd& one, const UniqueFd& other) {
  sockaddr_in own{};
  sockaddr_in peer{};
  return Name(getsockname, one, &own) && Name(getpeername, other, &peer) &&
         own.sin_port == peer.sin_port && own.sin_addr.s_addr == peer.sin_addr.s_addr;
}

// No link, if that cannot be, or a stranger came first. `is_silent`: because nothing answers.
FdPair ConnectOverLoopback(bool* is_silent) {
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | kFlags, 0));
  FdPair link;
  link.first = UniqueFd(socket(AF_INET, SOCK_STREAM | kFlags, 0));
  sockaddr_in address = Loopback();
  auto* const any_address = reinterpret_cast<sockaddr*>(&address);
  if (!listener || !link.first || bind(listener.get(), any_address, sizeof(address)) != 0 ||
      listen(listener.get(), kBacklog) != 0 || !Name(getsockname, listener, &address)) {
    return {};
  }
  if (connect(link.first.get(), any_address, sizeof(address)) != 0 && errno != EINPROGRESS) {
    return {};
  }
  *is_silent = !Await(link.first, POLLOUT);
  if (*is_silent) return {};
  // Connected, so accepted without a wait.
  link.second = UniqueFd(accept4(listener.get(), nullptr, nullptr, kFlags));
  const bool is_good =
      IsConnected(link.first, link.second) && Prepare(link.first) && Prepare(link.second);
  return is_good ? std::move(link) : FdPair();
}

}  // namespace

absl::StatusOr<FdPair> MakeWorkerLink() {
  static std::atomic<bool> is_loopback_silent{false};
  bool is_silent = false;
  FdPair link = is_loopback_silent ? FdPair() : ConnectOverLoopback(&is_silent);
  if (is_silent) is_loopback_silent = true;
  if (link.first && link.second) return link;
  return MakeSocketPair(SOCK_STREAM);
}

}  // namespace holdfast
