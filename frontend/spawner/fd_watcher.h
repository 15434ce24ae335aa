// Watches a file descriptor on a libuv loop, and cleans up after itself.
#ifndef HOLDFAST_FRONTEND_SPAWNER_FD_WATCHER_H_
#define HOLDFAST_FRONTEND_SPAWNER_FD_WATCHER_H_

#include <uv.h>

#include <memory>

#include "absl/functional/any_invocable.h"

namespace holdfast {

// Owned and used on the loop's thread. May be destroyed in its own callback; what the callback
// holds is released by the loop a little later. The fd is borrowed and may be closed right after.
class FdWatcher {
 public:
  // `callback` gets UV_READABLE | UV_WRITABLE, or 0 for an error condition, after which nothing is
  // watched any more. Null if the kernel does not let this fd be watched.
  static std::unique_ptr<FdWatcher> Create(uv_loop_t* loop, int fd,
                                           absl::AnyInvocable<void(int events)> callback);
  ~FdWatcher();

  FdWatcher(const FdWatcher&) = delete;
  FdWatcher& operator=(const FdWatcher&) = delete;

  // What to watch from now on, in place of what was; 0 for nothing.
  void Watch(int events);

 private:
  struct State;

  explicit FdWatcher(State* state) : state_(state) {}

  State* state_;  // Freed by libuv's close callback.
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SPAWNER_FD_WATCHER_H_
