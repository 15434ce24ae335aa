// The programs that clients have sent, by URI, within a bound on memory.
#ifndef HOLDFAST_FRONTEND_BENCHMARKS_BENCHMARK_CACHE_H_
#define HOLDFAST_FRONTEND_BENCHMARKS_BENCHMARK_CACHE_H_

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "proto/compiler_gym_service.pb.h"

namespace holdfast {

constexpr int64_t kDefaultBenchmarkCacheBytes = 54525952;

// Thread-safe. Evicting a benchmark never takes it from those who found it before. Which ones are
// evicted is random, because clients often cycle through a data set, the worst case of LRU.
class BenchmarkCache {
 public:
  struct Stats {
    int64_t size_bytes;  // Sum of the serialised sizes.
    int64_t items;
    int64_t hits;
    int64_t misses;
    int64_t evictions;  // A replaced benchmark is none.
    int64_t max_size_bytes;
  };

  // The same `seed` and calls evict the same benchmarks.
  BenchmarkCache(int64_t max_size_bytes, uint64_t seed);

  // Holds `benchmark`, in place of one with the same URI. If the limit would be exceeded, others
  // are evicted first, down to half of it, so that room is made rarely. True if the benchmark alone
  // exceeds the limit: it is held all the same, and the operator should hear of it.
  bool Add(std::shared_ptr<const compiler_gym::Benchmark> benchmark);

  // Null if it is not here. Counts as a hit or a miss.
  std::shared_ptr<const compiler_gym::Benchmark> Find(absl::string_view uri);

  // Evicts, each benchmark equally likely, until the size is at most `target_bytes`.
  void EvictToCapacity(int64_t target_bytes);

  // Evicts down to a limit that is lower than the size.
  void SetMaxSize(int64_t max_size_bytes);

  Stats GetStats() const;

 private:
  struct Item {
    std::shared_ptr<const compiler_gym::Benchmark> benchmark;
    int64_t size_bytes;
  };
  // Large messages take long to destroy: the caller does so after the mutex is released.
  using Garbage = std::vector<std::shared_ptr<const compiler_gym::Benchmark>>;

  void Evict(int64_t target_bytes, Garbage* garbage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(size_t index, Garbage* garbage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  std::vector<Item> items_ ABSL_GUARDED_BY(mutex_);
  // URI, a view into the benchmark itself, to position in items_.
  absl::flat_hash_map<absl::string_view, size_t> index_ ABSL_GUARDED_BY(mutex_);
  Stats stats_ ABSL_GUARDED_BY(mutex_) = {};  // `items` is unused: items_ knows.
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_BENCHMARKS_BENCHMARK_CACHE_H_
