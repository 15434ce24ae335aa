#include "frontend/admin/loop_caller.h"

#include <utility>

namespace holdfast {

LoopCaller::LoopCaller(Post post, absl::Duration timeout)
    : post_(std::move(post)), timeout_(timeout) {}

bool LoopCaller::Call(absl::FunctionRef<void()> work) {
  // `work` lives until this returns, that is as long as the state is kWaiting or kRunning.
  const auto state = std::make_shared<State>(State::kWaiting);
  post_([shared = shared_, state, work] {
    {
      absl::MutexLock lock(&shared->mutex);
      if (*state != State::kWaiting) return;
      *state = State::kRunning;
    }
    work();
    absl::MutexLock lock(&shared->mutex);
    *state = State::kDone;
  });
  absl::Mutex& mutex = shared_->mutex;
  absl::MutexLock lock(&mutex);
  const bool* const is_closed = &shared_->is_closed;
  const auto is_decided = [&state, is_closed] { return *state != State::kWaiting || *is_closed; };
  mutex.AwaitWithTimeout(absl::Condition(&is_decided), timeout_);
  if (*state == State::kWaiting) {
    *state = State::kGivenUp;
    return false;
  }
  const auto is_done = [&state] { return *state == State::kDone; };
  mutex.Await(absl::Condition(&is_done));
  return true;
}

void LoopCaller::Close() {
  absl::MutexLock lock(&shared_->mutex);
  shared_->is_closed = true;
}

}  // namespace holdfast
