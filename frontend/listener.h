// The ports that others connect to: listening sockets on the supervision loop.
#ifndef HOLDFAST_FRONTEND_LISTENER_H_
#define HOLDFAST_FRONTEND_LISTENER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/unique_fd.h"
#include "frontend/event_loop.h"
#include "frontend/spawner/fd_watcher.h"

namespace holdfast {

// Accepts connections and gives them away. When descriptors or memory run out, clients wait in the
// kernel's backlog until there are some again. gRPC's own listener would never accept again after
// that, and libuv's accepts what waits only to close it.
//
// Owned and used on the loop's thread.
class Listener {
 public:
  // Gets each connection: CLOEXEC, non-blocking, TCP without delay. Must not destroy the listener.
  using Handler = absl::AnyInvocable<void(UniqueFd connection)>;

  // Listens on `address`: HOST:PORT, on all addresses of HOST that this machine has, where port 0
  // is any free one and an IPv6 address stands in brackets; or unix:PATH, with mode 0600, in place
  // of a socket that nobody listens on any more. Who connects waits for Start(). InvalidArgument:
  // the address cannot be had, which `flag` asks for. Blocks while a name is resolved.
  static absl::StatusOr<std::unique_ptr<Listener>> Open(EventLoop* loop, const std::string& address,
                                                        absl::string_view flag = "--listen");
  // Closes the sockets: who waits is refused. A Unix socket's path stays.
  ~Listener();

  // Once: accepts from now on.
  void Start(Handler on_connection);

  // Of the TCP sockets; 0 for a Unix socket.
  int port() const { return port_; }

 private:
  struct Socket {
    UniqueFd fd;
    std::unique_ptr<FdWatcher> watcher;
  };

  explicit Listener(EventLoop* loop) : loop_(loop) {}
  absl::Status ListenUnix(const std::string& path);
  absl::Status ListenTcp(absl::string_view host, int port);
  absl::Status Add(UniqueFd fd);

  void Watch();
  void Accept(int socket);
  // Accepts nothing for a moment.
  void Pause(absl::string_view why);

  EventLoop* const loop_;
  std::vector<Socket> sockets_;
  int port_ = 0;
  Handler on_connection_;
  Clock::TimerId resume_ = 0;  // 0: not in a pause.
  absl::Time warned_ = absl::InfinitePast();
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_LISTENER_H_
