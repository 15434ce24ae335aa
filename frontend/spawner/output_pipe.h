// Reads what a worker writes to its stdout or stderr.
#ifndef HOLDFAST_FRONTEND_SPAWNER_OUTPUT_PIPE_H_
#define HOLDFAST_FRONTEND_SPAWNER_OUTPUT_PIPE_H_

#include <uv.h>

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "common/unique_fd.h"
#include "frontend/spawner/fd_watcher.h"

namespace holdfast {

// Owned and used on the loop's thread; must not be destroyed in its own callback.
class OutputPipe {
 public:
  // `fd` is the non-blocking reading end. `on_bytes` gets at most 64 KiB a call. Null if the fd
  // cannot be watched.
  static std::unique_ptr<OutputPipe> Create(uv_loop_t* loop, UniqueFd fd,
                                            absl::AnyInvocable<void(absl::string_view)> on_bytes);

  // Reads what is there now, but not for ever: the pipe may be held, and filled, by others than the
  // worker, so its end proves nothing and is not waited for.
  void Drain();

 private:
  OutputPipe(UniqueFd fd, absl::AnyInvocable<void(absl::string_view)> on_bytes)
      : fd_(std::move(fd)), on_bytes_(std::move(on_bytes)) {}

  // The bytes that it delivered; 0 when there are none now, or no more.
  size_t ReadSome();

  UniqueFd fd_;
  absl::AnyInvocable<void(absl::string_view)> on_bytes_;
  std::unique_ptr<FdWatcher> watcher_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SPAWNER_OUTPUT_PIPE_H_
