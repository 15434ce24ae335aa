// One end of the socket between the front and its spawner: packets with file descriptors.
#ifndef HOLDFAST_FRONTEND_SPAWNER_CONTROL_CHANNEL_H_
#define HOLDFAST_FRONTEND_SPAWNER_CONTROL_CHANNEL_H_

#include <uv.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/unique_fd.h"
#include "frontend/spawner/fd_watcher.h"

namespace holdfast {

// A connected pair of sockets for two channels, with buffers for the largest message.
absl::StatusOr<FdPair> MakeControlSockets();

// Owned and used on the loop's thread.
class ControlChannel {
 public:
  struct Events {
    // `fds_lost`: the packet had descriptors that this process had no room for.
    absl::AnyInvocable<void(absl::string_view bytes, std::vector<UniqueFd> fds, bool fds_lost)>
        on_message;
    // Nothing more comes. Once. The channel may be destroyed in it, but not in on_message.
    absl::AnyInvocable<void()> on_closed;
  };

  // `socket` is a SOCK_SEQPACKET socket. Null if it cannot be watched.
  static std::unique_ptr<ControlChannel> Create(uv_loop_t* loop, UniqueFd socket, Events events);

  // Packets are sent in order, as soon as the socket takes them. `failed` is called, at once or
  // later, for one that can never be sent; but not for those that are lost with the connection.
  void Send(std::string bytes, std::vector<UniqueFd> fds,
            absl::AnyInvocable<void(int error)> failed);

  // The peer sees the end; what it sends is still received. Packets not yet sent are dropped.
  void CloseSending();

  // Receives without the loop, and drops, until the end or for `timeout_ms`. True at the end.
  bool DiscardUntilClosed(int timeout_ms);

 private:
  struct Packet {
    std::string bytes;
    std::vector<UniqueFd> fds;
    absl::AnyInvocable<void(int error)> failed;
  };
  enum class Received { kPacket, kNothing, kEnd };

  ControlChannel(UniqueFd socket, Events events);

  void OnReady(int ready);
  Received Receive(absl::string_view* bytes, std::vector<UniqueFd>* fds, bool* fds_lost);
  void Flush();
  void Watch();

  UniqueFd socket_;
  Events events_;
  std::unique_ptr<FdWatcher> watcher_;
  std::unique_ptr<char[]> buffer_;
  std::deque<Packet> unsent_;
  bool receiving_ = true;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SPAWNER_CONTROL_CHANNEL_H_
