#include "frontend/spawner/output_pipe.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace holdfast {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
// A pipe holds 64 KiB unless somebody enlarges it.
constexpr size_t kMaxDrainBytes = 256 * 1024;

}  // namespace

std::unique_ptr<OutputPipe> OutputPipe::Create(
    uv_loop_t* loop, UniqueFd fd, absl::AnyInvocable<void(absl::string_view)> on_bytes) {
  std::unique_ptr<OutputPipe> pipe(new OutputPipe(std::move(fd), std::move(on_bytes)));
  pipe->watcher_ =
      FdWatcher::Create(loop, pipe->fd_.get(), [pipe = pipe.get()](int) { pipe->ReadSome(); });
  if (pipe->watcher_ == nullptr) return nullptr;
  pipe->watcher_->Watch(UV_READABLE);
  return pipe;
}

void OutputPipe::Drain() {
  for (size_t drained = 0; drained < kMaxDrainBytes;) {
    size_t size = ReadSome();
    if (size == 0) return;
    drained += size;
  }
}

size_t OutputPipe::ReadSome() {
  // Not thread_local: each thread's stack would pay for it, and the web server's have only 100 KiB.
  char buffer[kReadBytes];
  if (!fd_) return 0;
  ssize_t size;
  do {
    size = read(fd_.get(), buffer, sizeof(buffer));
  } while (size < 0 && errno == EINTR);
  if (size > 0) {
    on_bytes_(absl::string_view(buffer, static_cast<size_t>(size)));
    return static_cast<size_t>(size);
  }
  if (size == 0 || errno != EAGAIN) {
    // In this order, and now: libuv forgets a watched fd by its number, which is another's as soon
    // as this one is closed.
    watcher_.reset();
    fd_.reset();
  }
  return 0;
}

}  // namespace holdfast
