// What processes use, as /proc tells it.
#ifndef HOLDFAST_FRONTEND_SPAWNER_PROCESS_USAGE_H_
#define HOLDFAST_FRONTEND_SPAWNER_PROCESS_USAGE_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "frontend/process_spawner.h"

namespace holdfast {

// From /proc/PID/stat.
struct ProcessStat {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  char state = '?';
  int64_t threads = 0;
  int64_t rss_bytes = 0;
  double cpu_seconds = 0;  // User and system, with children that were waited for.

  bool alive() const { return state != 'Z' && state != 'X'; }
  bool stopped() const { return state == 'T' || state == 't'; }  // By a signal, by a debugger.
};

// nullopt for what is no such line.
absl::optional<ProcessStat> ParseProcessStat(absl::string_view text);

// nullopt if there is no such process.
absl::optional<ProcessStat> ReadProcessStat(pid_t pid);

// Of those of `pids` that exist.
std::vector<ProcessStat> ReadProcessStats(absl::Span<const pid_t> pids);

// All processes that /proc shows.
std::vector<ProcessStat> ReadAllProcessStats();

// For each of `leaders`, the processes that are in its group, or descend from it. 0: none.
std::vector<std::vector<ProcessStat>> GroupByLeader(absl::Span<const ProcessStat> processes,
                                                    absl::Span<const pid_t> leaders);

// What these use together. Memory is the plain sum as long as that is within `memory_limit` (0:
// none); beyond that, each page counts for what share of it is theirs (PSS), which takes the kernel
// some milliseconds per GiB.
ProcessUsage SumUsage(absl::Span<const ProcessStat> processes, int64_t memory_limit);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SPAWNER_PROCESS_USAGE_H_
