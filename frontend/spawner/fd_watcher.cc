#include "frontend/spawner/fd_watcher.h"

#include <utility>

namespace holdfast {

struct FdWatcher::State {
  uv_poll_t handle;
  absl::AnyInvocable<void(int events)> callback;
};

std::unique_ptr<FdWatcher> FdWatcher::Create(uv_loop_t* loop, int fd,
                                             absl::AnyInvocable<void(int events)> callback) {
  auto state = std::make_unique<State>();
  if (uv_poll_init(loop, &state->handle, fd) != 0) return nullptr;
  state->handle.data = state.get();
  state->callback = std::move(callback);
  return std::unique_ptr<FdWatcher>(new FdWatcher(state.release()));
}

FdWatcher::~FdWatcher() {
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->handle),
           [](uv_handle_t* closed) { delete static_cast<State*>(closed->data); });
}

void FdWatcher::Watch(int events) {
  if (events == 0) {
    uv_poll_stop(&state_->handle);
    return;
  }
  uv_poll_start(&state_->handle, events, [](uv_poll_t* handle, int status, int ready) {
    static_cast<State*>(handle->data)->callback(status == 0 ? ready : 0);
  });
}

}  // namespace holdfast
