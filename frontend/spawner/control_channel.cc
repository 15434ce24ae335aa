#include "frontend/spawner/control_channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "frontend/spawner/spawner_protocol.h"

namespace holdfast {
namespace {

constexpr size_t kMaxFds = 8;
// Then other events of the loop have their turn.
constexpr int kPacketsPerRound = 32;

// 0 or an errno.
int SendPacket(int socket, const std::string& bytes, const std::vector<UniqueFd>& fds) {
  iovec data{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    int* out = reinterpret_cast<int*>(CMSG_DATA(rights));
    for (const UniqueFd& fd : fds) *out++ = fd.get();
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? errno : 0;
}

}  // namespace

absl::StatusOr<FdPair> MakeControlSockets() {
  auto pair = MakeSocketPair(SOCK_SEQPACKET);
  if (!pair.ok()) return pair;
  int bytes = 4 * kMaxControlMessageBytes;
  for (int fd : {pair->first.get(), pair->second.get()}) {
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
  }
  return pair;
}

std::unique_ptr<ControlChannel> ControlChannel::Create(uv_loop_t* loop, UniqueFd socket,
                                                       Events events) {
  int fd = socket.get();
  std::unique_ptr<ControlChannel> channel(new ControlChannel(std::move(socket), std::move(events)));
  channel->watcher_ = FdWatcher::Create(
      loop, fd, [channel = channel.get()](int ready) { channel->OnReady(ready); });
  if (channel->watcher_ == nullptr) return nullptr;
  channel->Watch();
  return channel;
}

// One byte more than the longest message: a longer one shows as too long, not as a good one.
ControlChannel::ControlChannel(UniqueFd socket, Events events)
    : socket_(std::move(socket)),
      events_(std::move(events)),
      buffer_(new char[kMaxControlMessageBytes + 1]) {}

void ControlChannel::Send(std::string bytes, std::vector<UniqueFd> fds,
                          absl::AnyInvocable<void(int error)> failed) {
  unsent_.push_back({std::move(bytes), std::move(fds), std::move(failed)});
  if (unsent_.size() == 1) Flush();
}

void ControlChannel::CloseSending() {
  unsent_.clear();
  Watch();
  shutdown(socket_.get(), SHUT_WR);
}

bool ControlChannel::DiscardUntilClosed(int timeout_ms) {
  uint64_t end = uv_hrtime() + static_cast<uint64_t>(timeout_ms) * 1'000'000;
  for (;;) {
    absl::string_view bytes;
    std::vector<UniqueFd> fds;
    bool fds_lost;
    Received received = Receive(&bytes, &fds, &fds_lost);
    if (received == Received::kEnd) return true;
    if (received == Received::kPacket) continue;
    uint64_t now = uv_hrtime();
    if (now >= end) return false;
    pollfd wait{socket_.get(), POLLIN, 0};
    poll(&wait, 1, static_cast<int>((end - now) / 1'000'000) + 1);
  }
}

void ControlChannel::OnReady(int ready) {
  if (ready & UV_WRITABLE) Flush();
  // An error condition (0) is the end, behind what had come before it.
  if ((ready & UV_WRITABLE) && !(ready & UV_READABLE)) return;
  for (int i = 0; receiving_ && (ready == 0 || i < kPacketsPerRound); ++i) {
    absl::string_view bytes;
    std::vector<UniqueFd> fds;
    bool fds_lost = false;
    Received received = Receive(&bytes, &fds, &fds_lost);
    if (received == Received::kPacket) {
      events_.on_message(bytes, std::move(fds), fds_lost);
      continue;
    }
    if (received == Received::kNothing && ready != 0) return;
    receiving_ = false;
    Watch();
    // This channel may be gone when the call returns.
    auto on_closed = std::move(events_.on_closed);
    on_closed();
    return;
  }
}

ControlChannel::Received ControlChannel::Receive(absl::string_view* bytes,
                                                 std::vector<UniqueFd>* fds, bool* fds_lost) {
  iovec data{buffer_.get(), kMaxControlMessageBytes + 1};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  ssize_t size;
  do {
    size = recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    // The peer ended without having read everything. That is told once, before what it had sent.
  } while (size < 0 && (errno == EINTR || errno == ECONNRESET));
  if (size < 0) {
    return errno == EAGAIN || errno == ENOMEM ? Received::kNothing : Received::kEnd;
  }
  if (size == 0) return Received::kEnd;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
      fds->emplace_back(fd);
    }
  }
  *fds_lost = (header.msg_flags & MSG_CTRUNC) != 0;
  *bytes = absl::string_view(buffer_.get(), static_cast<size_t>(size));
  return Received::kPacket;
}

void ControlChannel::Flush() {
  while (!unsent_.empty()) {
    int error = SendPacket(socket_.get(), unsent_.front().bytes, unsent_.front().fds);
    if (error == EAGAIN) break;
    if (error == EPIPE || error == ECONNRESET || error == ENOTCONN) {
      unsent_.clear();  // on_closed comes, or came.
      break;
    }
    Packet done = std::move(unsent_.front());
    unsent_.pop_front();
    if (error != 0 && done.failed) done.failed(error);
  }
  Watch();
}

void ControlChannel::Watch() {
  watcher_->Watch((receiving_ ? UV_READABLE : 0) | (unsent_.empty() ? 0 : UV_WRITABLE));
}

}  // namespace holdfast
