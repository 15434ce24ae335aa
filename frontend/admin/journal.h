// What happens to workers and sessions, told to whoever must know: log, metrics, crash reports,
// readiness; and remembered for a while, for operators.
#ifndef HOLDFAST_FRONTEND_ADMIN_JOURNAL_H_
#define HOLDFAST_FRONTEND_ADMIN_JOURNAL_H_

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "frontend/crash_reports/crash_reporter.h"
#include "frontend/health/readiness.h"
#include "frontend/logging/worker_log.h"
#include "frontend/metrics/metrics.h"
#include "frontend/session.h"
#include "frontend/worker_description.h"
#include "frontend/worker_pool.h"
#include "proto/admin.pb.h"

namespace holdfast {

// The last events of a kind. Thread-safe.
template <typename Event>
class RecentEvents {
 public:
  void Add(Event event) {
    absl::MutexLock lock(&mutex_);
    events_.push_front(std::move(event));
    if (events_.size() > kMax) events_.pop_back();
  }
  // The latest first.
  std::vector<Event> List() const {
    absl::MutexLock lock(&mutex_);
    return {events_.begin(), events_.end()};
  }

 private:
  static constexpr size_t kMax = 100;

  mutable absl::Mutex mutex_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
};

// The pool's events come on the supervision thread, sessions' on any. Outlives both.
class Journal {
 public:
  struct Listeners {
    Metrics* metrics = nullptr;
    Readiness* readiness = nullptr;
    WorkerDescription* description = nullptr;
    WorkerLog* worker_log = nullptr;
    CrashReporter* crash_reporter = nullptr;
  };

  explicit Journal(const Listeners& listeners) : to_(listeners) {}
  // Before anything happens that they are told of.
  void SetWorkerLog(WorkerLog* log) { to_.worker_log = log; }
  void SetCrashReporter(CrashReporter* reporter) { to_.crash_reporter = reporter; }

  WorkerPool::Observer MakePoolObserver();
  // Sets the events of `environment`.
  void Watch(SessionEnvironment* environment);

  const RecentEvents<admin::WorkerExit>& exits() const { return exits_; }
  const RecentEvents<admin::Failure>& failures() const { return failures_; }

 private:
  void WorkerIsReady(uint64_t worker, pid_t pid, const DescribeReply& description,
                     absl::Duration took);
  void WorkerIsDead(uint64_t worker, pid_t pid, WorkerState last_state,
                    const WorkerFailure& failure);
  void PoolIsReady(bool ready, const std::string& why);
  void SessionFailed(CrashEvent event);

  Listeners to_;
  // Workers can be started, and one was: the supervision thread's.
  bool is_pool_ready_ = false;
  bool had_worker_ = false;
  RecentEvents<admin::WorkerExit> exits_;
  RecentEvents<admin::Failure> failures_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_JOURNAL_H_
