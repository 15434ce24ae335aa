// Asks the supervision thread, and waits for its answer.
#ifndef HOLDFAST_FRONTEND_ADMIN_LOOP_CALLER_H_
#define HOLDFAST_FRONTEND_ADMIN_LOOP_CALLER_H_

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace holdfast {

// Thread-safe. What waits here never holds up the end of the service: see Close().
class LoopCaller {
 public:
  // Runs work on the supervision thread, or never if that has ended.
  using Post = std::function<void(absl::AnyInvocable<void()> work)>;

  explicit LoopCaller(Post post, absl::Duration timeout = absl::Seconds(2));

  // Any thread but the supervision thread: runs `work` there, and returns when it is done. False:
  // the supervision thread did not come to it in time, or Close() was called; then it does not run.
  bool Call(absl::FunctionRef<void()> work);

  // Calls that wait return false now, and further ones at once.
  void Close();

  absl::Duration timeout() const { return timeout_; }

 private:
  enum class State { kWaiting, kRunning, kDone, kGivenUp };
  // Outlives this object: posted work refers to it.
  struct Shared {
    absl::Mutex mutex;
    bool is_closed ABSL_GUARDED_BY(mutex) = false;
  };

  const Post post_;
  const absl::Duration timeout_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_LOOP_CALLER_H_
