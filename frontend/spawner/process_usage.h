// What processes use, as /proc tells it.
#ifndef HOLDFAST_FRONTEND_SPAWNER_PROCESS_USAGE_H_
#define HOLDFAST_FRONTEND_SPAWNER_PROCESS_USAGE_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "frontend/process_spawner.h"
#include "frontend/process_stat.h"

namespace holdfast {

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
