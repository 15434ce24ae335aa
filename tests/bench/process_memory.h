// What the kernel tells of a process: memory, threads, descriptors.
#ifndef HOLDFAST_TESTS_BENCH_PROCESS_MEMORY_H_
#define HOLDFAST_TESTS_BENCH_PROCESS_MEMORY_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace holdfast {

// Of some processes: memory on average, threads and descriptors at most.
struct ProcessMemory {
  double rss_mb = 0;
  double pss_mb = 0;      // Shared pages count in part: divided by those who share them.
  double private_mb = 0;  // Goes with the process.
  double threads = 0;
  double descriptors = 0;
};

// Of at least one process.
ProcessMemory MeasureMemory(const std::vector<pid_t>& processes);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_BENCH_PROCESS_MEMORY_H_
