// What the kernel tells of a process: memory, threads, descriptors.
#ifndef HOLDFAST_TESTS_BENCH_PROCESS_MEMORY_H_
#define HOLDFAST_TESTS_BENCH_PROCESS_MEMORY_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace holdfast {

struct ProcessMemory {
  double rss_mb = 0;
  double pss_mb = 0;      // Shared pages count in part: divided by those who share them.
  double private_mb = 0;  // Goes with the process.
  double threads = 0;
  double descriptors = 0;
};

// The average of `processes`, of which there is at least one.
ProcessMemory AverageMemory(const std::vector<pid_t>& processes);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_BENCH_PROCESS_MEMORY_H_
