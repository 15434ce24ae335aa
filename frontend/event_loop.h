// The supervision thread: a libuv loop, its clock, and the one way in from other threads.
#ifndef HOLDFAST_FRONTEND_EVENT_LOOP_H_
#define HOLDFAST_FRONTEND_EVENT_LOOP_H_

#include <uv.h>

#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "frontend/clock.h"

namespace holdfast {

// Owned by the thread that calls Run(); only Post(), RunBlocking() and Now() may be called from
// others.
class EventLoop : public Clock {
 public:
  EventLoop();
  // Closes what is left and frees it: timers and posted work are forgotten, blocking work that runs
  // is waited for. The loop must not be running, and who put handles of their own on it is gone.
  ~EventLoop() override;

  // Runs until Stop(). Work posted before and during it is done in order.
  void Run();
  // Ends Run() after the current round of callbacks. From the loop's thread.
  void Stop();

  // Any thread: runs `work` on the loop's thread, in the order of the calls. Work posted after the
  // last Run() is destroyed unrun.
  void Post(absl::AnyInvocable<void()> work);

  // Any thread: runs `work` on a thread of libuv's pool, for what may block (files). It is started
  // by the loop, and destroyed on the loop's thread; it may Post() its result.
  void RunBlocking(absl::AnyInvocable<void()> work);

  // After Run(): waits until no blocking work is left, at most for `timeout`. Posted work runs
  // meanwhile. False: some is still running.
  bool AwaitBlocking(absl::Duration timeout);

  // Calls `callback` on each arrival of `signal`.
  void OnSignal(int signal, absl::AnyInvocable<void()> callback);

  absl::Time Now() override;
  TimerId RunAfter(absl::Duration delay, absl::AnyInvocable<void()> callback) override;
  void Cancel(TimerId id) override;

  uv_loop_t* uv() { return &loop_; }

 private:
  struct Timer;
  struct Signal;
  struct BlockingWork;

  void RunPosted();
  void StartBlocking(std::unique_ptr<BlockingWork> work);
  void Fire(TimerId id);

  uv_loop_t loop_;
  uv_async_t wake_;
  absl::Mutex mutex_;
  std::vector<absl::AnyInvocable<void()>> posted_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  // Timers are freed by libuv's close callbacks, blocking work when it is done.
  std::unordered_map<TimerId, Timer*> timers_;
  std::unordered_set<BlockingWork*> blocking_;
  std::vector<std::unique_ptr<Signal>> signals_;
  TimerId last_timer_ = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_EVENT_LOOP_H_
