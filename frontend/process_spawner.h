// Starts and kills worker processes. One of the three seams for tests.
#ifndef HOLDFAST_FRONTEND_PROCESS_SPAWNER_H_
#define HOLDFAST_FRONTEND_PROCESS_SPAWNER_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "common/unique_fd.h"

namespace holdfast {

// Names one process of one spawner: the start-up token that ties reports to requests. Never reused,
// unlike a pid.
using ProcessId = uint64_t;

// What a process and all that it starts may use; 0: as much as there is. Limits that are enforced
// by whoever measures (see LimitMechanisms) are not the spawner's business.
struct ProcessLimits {
  int64_t memory_bytes = 0;
  int64_t file_bytes = 0;  // The size of any one file.
  int64_t processes = 0;   // Processes and threads.
};

// A mechanism: nobody but the one who calls Measure().
inline constexpr char kWatchdog[] = "watchdog";

// How a spawner holds processes to their limits, as names for people and metric labels.
struct LimitMechanisms {
  // "cgroup_v1", "cgroup_v2": the kernel does, for all that a worker starts. "watchdog": nobody but
  // the one who calls Measure(); a resource limit on private memory bounds the damage meanwhile.
  std::string memory = kWatchdog;
  // "cgroup_v1", "cgroup_v2" or "watchdog".
  std::string processes = kWatchdog;
};

// What a process uses now.
struct ProcessUsage {
  // Resident. What processes share counts once, but only where it decides about the limit.
  int64_t memory_bytes = 0;
  double cpu_seconds = 0;  // User and system, since it started.
  int64_t processes = 0;   // Processes and threads. 0: not counted.
  // With its group: other processes, those included that any worker has left to the spawner.
  int64_t others = 0;
  // The kernel has killed one of them for `memory_bytes`, or refused to start more than
  // `processes`.
  bool memory_limit_hit = false;
  bool process_limit_hit = false;
};

// What a look at a process shows.
enum class ProcessCondition {
  kRuns,     // As far as can be told.
  kStopped,  // By a signal or a debugger.
  kEnded,    // Although on_exit may not have told yet.
};

struct ProcessRequest {
  // argv[0] and the arguments. What is executed is `binary`.
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // "NAME=value"; nothing is inherited.
  std::string working_directory;         // Must exist.
  int binary = -1;                       // Borrowed: an open fd of the executable.
  UniqueFd link;                         // Becomes fd 3 of the process.
  ProcessLimits limits = {};
};

// How a process ended, as the kernel told it.
struct ProcessExit {
  // False: it was never started, or its end was not seen. `error` says why; the rest is unset, but
  // for the exit code 126 of a program that cannot be executed.
  bool known = false;
  // Not known, and no fault of the process: it was lost with its spawner. It may never have run.
  bool spawner_lost = false;
  std::string error;
  int exit_code = 0;  // Meaningful if signal is 0.
  int signal = 0;
  int64_t peak_rss_bytes = 0;
  double cpu_seconds = 0;  // User and system.
  // As in ProcessUsage: proof that a limit was met.
  bool memory_limit_hit = false;
  bool process_limit_hit = false;
};

// Used from the supervision thread only. Callbacks run there too, never from within a call.
class ProcessSpawner {
 public:
  struct Events {
    // The process runs as `pid`, leader of its own process group. Not called for one that could not
    // be started.
    absl::AnyInvocable<void(pid_t pid)> on_started;
    // Output, as it comes: at most 64 KiB a call. `is_stderr` or stdout.
    absl::AnyInvocable<void(bool is_stderr, absl::string_view bytes)> on_output;
    // The process is gone, with its whole process group. Exactly once, and last: output that it
    // wrote before it ended has been delivered.
    absl::AnyInvocable<void(const ProcessExit& exit)> on_exit;
  };

  virtual ~ProcessSpawner() = default;

  virtual ProcessId Spawn(ProcessRequest request, Events events) = 0;

  // Kills (SIGKILL) the process and its group. Ignored if it is gone. on_exit tells when it is
  // done.
  virtual void Kill(ProcessId process) = 0;

  // A momentary answer, and cheap (some microseconds): to be asked before a process that idled is
  // relied on. It does not know of one that stops right after, for which calls have a time limit.
  virtual ProcessCondition Look(ProcessId process) = 0;

  // What these processes use, in their order; nullopt for one that has not started, or has ended.
  // `whole_groups`: with all that they have started (a look at each process of the machine, some
  // milliseconds); else only themselves (some microseconds each).
  virtual std::vector<absl::optional<ProcessUsage>> Measure(absl::Span<const ProcessId> processes,
                                                            bool whole_groups) = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_PROCESS_SPAWNER_H_
