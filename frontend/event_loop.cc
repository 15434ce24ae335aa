#include "frontend/event_loop.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace holdfast {
namespace {

// Only what fails when the process is out of descriptors or memory before it has begun to serve.
void Require(int uv_result, const char* call) {
  if (uv_result == 0) return;
  std::fprintf(stderr, "holdfast: %s: %s\n", call, uv_strerror(uv_result));
  std::abort();
}

// libuv counts whole milliseconds of a clock that it rounds down: one more, and no timer is early.
uint64_t TimeoutMs(absl::Duration delay) {
  return static_cast<uint64_t>(
             absl::ToInt64Milliseconds(absl::Ceil(delay, absl::Milliseconds(1)))) +
         1;
}

}  // namespace

struct EventLoop::Timer {
  uv_timer_t handle;
  EventLoop* loop;
  TimerId id;
  absl::AnyInvocable<void()> callback;

  void Close() {
    uv_close(reinterpret_cast<uv_handle_t*>(&handle),
             [](uv_handle_t* closed) { delete static_cast<Timer*>(closed->data); });
  }
};

struct EventLoop::Signal {
  uv_signal_t handle;
  absl::AnyInvocable<void()> callback;
};

struct EventLoop::BlockingWork {
  uv_work_t request;
  EventLoop* loop;
  absl::AnyInvocable<void()> work;
};

EventLoop::EventLoop() {
  Require(uv_loop_init(&loop_), "uv_loop_init");
  Require(uv_async_init(&loop_, &wake_,
                        [](uv_async_t* wake) { static_cast<EventLoop*>(wake->data)->RunPosted(); }),
          "uv_async_init");
  wake_.data = this;
}

EventLoop::~EventLoop() {
  std::vector<absl::AnyInvocable<void()>> unrun;
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;  // Blocking work that still runs may post, into the void.
    unrun.swap(posted_);
  }
  unrun.clear();
  for (auto& [id, timer] : timers_) timer->Close();
  timers_.clear();
  for (BlockingWork* work : blocking_) uv_cancel(reinterpret_cast<uv_req_t*>(&work->request));
  // Also a handle that somebody forgot: the run below must end.
  uv_walk(
      &loop_,
      [](uv_handle_t* handle, void*) {
        if (!uv_is_closing(handle)) uv_close(handle, nullptr);
      },
      nullptr);
  while (uv_run(&loop_, UV_RUN_DEFAULT) != 0) {
    // A Stop() without a Run() ends the first one.
  }
  Require(uv_loop_close(&loop_), "uv_loop_close");
}

void EventLoop::Run() {
  uv_async_send(&wake_);  // For what was posted while the loop was ending its last run.
  uv_run(&loop_, UV_RUN_DEFAULT);
}

void EventLoop::Stop() { uv_stop(&loop_); }

void EventLoop::Post(absl::AnyInvocable<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (closing_) return;
  posted_.push_back(std::move(work));
  // Under the lock, so that the destructor cannot close the handle in between.
  if (posted_.size() == 1) uv_async_send(&wake_);
}

void EventLoop::RunPosted() {
  // What this work posts is done in the next round: it cannot starve the rest of the loop.
  std::vector<absl::AnyInvocable<void()>> batch;
  {
    absl::MutexLock lock(&mutex_);
    batch.swap(posted_);
  }
  for (auto& work : batch) {
    work();
    work = nullptr;  // What it holds may matter to the work after it.
  }
}

void EventLoop::RunBlocking(absl::AnyInvocable<void()> work) {
  auto blocking = std::make_unique<BlockingWork>();
  blocking->loop = this;
  blocking->work = std::move(work);
  // libuv takes work from the loop's thread only.
  Post([this, blocking = std::move(blocking)]() mutable { StartBlocking(std::move(blocking)); });
}

void EventLoop::StartBlocking(std::unique_ptr<BlockingWork> work) {
  work->request.data = work.get();
  blocking_.insert(work.get());
  uv_queue_work(
      &loop_, &work->request,
      [](uv_work_t* request) { static_cast<BlockingWork*>(request->data)->work(); },
      [](uv_work_t* request, int) {
        std::unique_ptr<BlockingWork> done(static_cast<BlockingWork*>(request->data));
        done->loop->blocking_.erase(done.get());
      });
  work.release();  // To the callback above.
}

bool EventLoop::AwaitBlocking(absl::Duration timeout) {
  bool is_late = false;
  const TimerId timer = RunAfter(timeout, [&is_late] { is_late = true; });
  RunPosted();  // It may start blocking work, which is posted first.
  while (!blocking_.empty() && !is_late) uv_run(&loop_, UV_RUN_ONCE);
  Cancel(timer);
  return blocking_.empty();
}

void EventLoop::OnSignal(int signal, absl::AnyInvocable<void()> callback) {
  signals_.push_back(std::make_unique<Signal>());
  Signal* added = signals_.back().get();
  added->callback = std::move(callback);
  added->handle.data = added;
  Require(uv_signal_init(&loop_, &added->handle), "uv_signal_init");
  Require(
      uv_signal_start(
          &added->handle,
          [](uv_signal_t* handle, int) { static_cast<Signal*>(handle->data)->callback(); }, signal),
      "uv_signal_start");
}

absl::Time EventLoop::Now() { return absl::FromUnixNanos(static_cast<int64_t>(uv_hrtime())); }

Clock::TimerId EventLoop::RunAfter(absl::Duration delay, absl::AnyInvocable<void()> callback) {
  auto* timer = new Timer{{}, this, ++last_timer_, std::move(callback)};
  uv_timer_init(&loop_, &timer->handle);
  timer->handle.data = timer;
  timers_.emplace(timer->id, timer);
  if (delay <= absl::ZeroDuration()) {
    // Not a uv_timer of zero: one that re-arms itself would keep the loop in its timers for ever.
    Post([this, id = timer->id] { Fire(id); });
  } else {
    uv_update_time(&loop_);  // The loop's idea of now is as old as its round.
    uv_timer_start(
        &timer->handle,
        [](uv_timer_t* handle) {
          auto* due = static_cast<Timer*>(handle->data);
          due->loop->Fire(due->id);
        },
        TimeoutMs(delay), 0);
  }
  return timer->id;
}

void EventLoop::Fire(TimerId id) {
  auto found = timers_.find(id);
  if (found == timers_.end()) return;  // Cancelled after it was posted.
  absl::AnyInvocable<void()> callback = std::move(found->second->callback);
  Cancel(id);
  callback();
}

void EventLoop::Cancel(TimerId id) {
  auto found = timers_.find(id);
  if (found == timers_.end()) return;
  Timer* timer = found->second;
  timers_.erase(found);
  timer->Close();
}

}  // namespace holdfast
