// When a worker has grown so much that a fresh one is worth the change. A pure function.
#ifndef HOLDFAST_FRONTEND_WORKER_GROWTH_H_
#define HOLDFAST_FRONTEND_WORKER_GROWTH_H_

#include <cstdint>

namespace holdfast {

// Both must be exceeded: a small worker may well become four times as large, and a large one by
// 256 MiB larger, for what its session needs. Constants rather than flags: what a session may use
// is --worker_memory_limit_bytes; this is only about what leaks and fragments, over days.
inline constexpr int64_t kGrowthFactor = 4;
inline constexpr int64_t kGrowthBytes = 256 << 20;

// `first_bytes`: what it used when there was nothing to be held against it. 0: not known.
inline bool HasGrown(int64_t first_bytes, int64_t bytes) {
  return first_bytes > 0 && bytes > kGrowthFactor * first_bytes &&
         bytes - first_bytes > kGrowthBytes;
}

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_WORKER_GROWTH_H_
