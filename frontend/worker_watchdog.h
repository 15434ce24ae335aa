// Looks at workers on loan from time to time: ends those that use more than they may, and tells of
// those that have grown.
#ifndef HOLDFAST_FRONTEND_WORKER_WATCHDOG_H_
#define HOLDFAST_FRONTEND_WORKER_WATCHDOG_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "frontend/clock.h"
#include "frontend/process_spawner.h"
#include "frontend/worker_client.h"
#include "frontend/worker_limits.h"

namespace holdfast {

// Confined to the supervision thread. Idle while nothing is watched.
//
// A look at a worker itself is cheap, one at all that it has started is not, and a worker between
// calls hardly changes. So:
//
//   every                     | looks at                          | for
//   --------------------------|-----------------------------------|-----------------------------
//   kPeriod                   | workers in a call, by themselves  | memory, if no cgroup holds it
//   kGroupTicks periods       | the same, with what they started  | memory, CPU, processes
//   kIdleTicks periods        | all workers, likewise             | the sum of short calls, growth
//
// "In a call" is one that was under way already at the tick before: short calls are never looked
// at, and cost nothing. Growth is judged between two calls, because what a call needs is no growth,
// and from the first such look after a call on, when the worker holds its session.
class WorkerWatchdog {
 public:
  static constexpr absl::Duration kPeriod = absl::Milliseconds(50);
  static constexpr int kGroupTicks = 5;
  static constexpr int kIdleTicks = 20;

  struct Events {
    // At most once: a limit is exceeded. The worker is not watched any more.
    absl::AnyInvocable<void(const WorkerFailure& excess)> on_excess;
    // At each look between two calls, once it has grown; see HasGrown(). The session may not want
    // to move at once.
    absl::AnyInvocable<void()> on_grown;
  };

  // The others outlive it.
  WorkerWatchdog(const WorkerLimits& limits, Clock* clock, ProcessSpawner* spawner);
  ~WorkerWatchdog();

  // From now on, until Unwatch(). Both events may call Watch() and Unwatch().
  void Watch(uint64_t worker, ProcessId process, std::shared_ptr<const WorkerClient> client,
             Events events);
  // Ignored if it is not watched.
  void Unwatch(uint64_t worker);

 private:
  struct Watched {
    ProcessId process;
    std::shared_ptr<const WorkerClient> client;
    Events events;
    uint64_t first_call = 0;  // Of the call counter, when it began to be watched.
    uint64_t call = 0;        // Likewise, at the last tick.
    bool is_in_call = false;  // The same call as then.
    // CPU time when the call was first looked at, or -1.
    double cpu_before = -1;
    int64_t first_bytes = 0;  // With its session; 0: not seen yet.
  };

  void Tick();
  void Look(const std::vector<uint64_t>& workers, bool whole_groups);
  static bool HasGrownNow(const ProcessUsage& usage, Watched* watched);

  const WorkerLimits limits_;
  Clock* const clock_;
  ProcessSpawner* const spawner_;
  absl::flat_hash_map<uint64_t, Watched> watched_;
  Clock::TimerId timer_ = 0;
  int64_t ticks_ = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_WORKER_WATCHDOG_H_
