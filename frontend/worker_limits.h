// What a worker may use, and what counts as proof that it used more. Pure functions.
#ifndef HOLDFAST_FRONTEND_WORKER_LIMITS_H_
#define HOLDFAST_FRONTEND_WORKER_LIMITS_H_

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "frontend/process_spawner.h"
#include "proto/worker_failure.pb.h"

namespace holdfast {

struct WorkerLimits {
  ProcessLimits process;
  absl::Duration call_cpu;  // CPU time of one call; 0: no limit.
  // No cgroup holds the memory limit: the watchdog does, and RLIMIT_DATA as a backstop. Only then
  // can the limit be what makes an allocation fail; in a cgroup the kernel kills instead.
  bool is_memory_watched = true;
};

// A failure whose cause is the limit, and that names its flag, or nullopt if all is well.
// `cpu_before`: seconds of CPU time that had been used when the call began.
absl::optional<WorkerFailure> FindExcess(const WorkerLimits& limits, const ProcessUsage& usage,
                                         double cpu_before);

// Likewise, for a process that ended by itself or by the kernel. Only evidence counts: what the
// kernel tells, a peak above the limit, or, where an allocation fails at the limit, the program's
// own last words, that one did.
absl::optional<WorkerFailure> FindExcess(const WorkerLimits& limits, const ProcessExit& exit,
                                         absl::string_view stderr_tail);

// Whether the supervisor or the kernel ends what exceeds this limit, so that trying again is
// pointless: "…_LIMIT", but for the time limit, which is the caller's, too.
bool IsResourceLimit(WorkerFailure::Cause cause);

// Fills in which limit was exceeded. See WorkerFailure.
void SetLimit(absl::string_view flag, double limit, double measured, WorkerFailure* failure);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_WORKER_LIMITS_H_
