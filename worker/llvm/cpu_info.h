// The processor that a worker runs on.
#ifndef HOLDFAST_WORKER_LLVM_CPU_INFO_H_
#define HOLDFAST_WORKER_LLVM_CPU_INFO_H_

#include <string>

namespace holdfast::llvm_session {

// A JSON object of 12 keys: name, cores_count (physical cores), and for each of l1i, l1d, l2, l3,
// l4 its _cache_size (bytes of one; -1: there is none) and _cache_count (a shared one counts once).
// `cpuinfo` is a file as /proc/cpuinfo, `cpus` a directory as /sys/devices/system/cpu. What is not
// told there is as if it did not exist, and the name empty.
std::string CpuInfoJson(const std::string& cpuinfo = "/proc/cpuinfo",
                        const std::string& cpus = "/sys/devices/system/cpu");

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_CPU_INFO_H_
