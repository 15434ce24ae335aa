#include "frontend/benchmarks/benchmark_cache.h"

#include <utility>

namespace holdfast {

using compiler_gym::Benchmark;

BenchmarkCache::BenchmarkCache(int64_t max_size_bytes, uint64_t seed) : random_(seed) {
  stats_.max_size_bytes = max_size_bytes;
}

bool BenchmarkCache::Add(std::shared_ptr<const Benchmark> benchmark) {
  const int64_t size_bytes = benchmark->ByteSizeLong();
  Garbage garbage;  // Outlives the lock.
  absl::MutexLock lock(&mutex_);
  if (const auto old = index_.find(benchmark->uri()); old != index_.end()) {
    Remove(old->second, &garbage);
  }
  if (stats_.size_bytes + size_bytes > stats_.max_size_bytes) {
    Evict(stats_.max_size_bytes / 2, &garbage);
  }
  index_.emplace(benchmark->uri(), items_.size());
  items_.push_back({std::move(benchmark), size_bytes});
  stats_.size_bytes += size_bytes;
  return size_bytes > stats_.max_size_bytes;
}

std::shared_ptr<const Benchmark> BenchmarkCache::Find(absl::string_view uri) {
  absl::MutexLock lock(&mutex_);
  const auto found = index_.find(uri);
  if (found == index_.end()) {
    ++stats_.misses;
    return nullptr;
  }
  ++stats_.hits;
  return items_[found->second].benchmark;
}

void BenchmarkCache::EvictToCapacity(int64_t target_bytes) {
  Garbage garbage;
  absl::MutexLock lock(&mutex_);
  Evict(target_bytes, &garbage);
}

void BenchmarkCache::SetMaxSize(int64_t max_size_bytes) {
  Garbage garbage;
  absl::MutexLock lock(&mutex_);
  stats_.max_size_bytes = max_size_bytes;
  Evict(max_size_bytes, &garbage);
}

BenchmarkCache::Stats BenchmarkCache::GetStats() const {
  absl::MutexLock lock(&mutex_);
  Stats stats = stats_;
  stats.items = items_.size();
  return stats;
}

void BenchmarkCache::Evict(int64_t target_bytes, Garbage* garbage) {
  while (stats_.size_bytes > target_bytes && !items_.empty()) {
    Remove(std::uniform_int_distribution<size_t>(0, items_.size() - 1)(random_), garbage);
    ++stats_.evictions;
  }
}

void BenchmarkCache::Remove(size_t index, Garbage* garbage) {
  Item& item = items_[index];
  index_.erase(item.benchmark->uri());
  stats_.size_bytes -= item.size_bytes;
  garbage->push_back(std::move(item.benchmark));
  if (&item != &items_.back()) {
    item = std::move(items_.back());
    index_[item.benchmark->uri()] = index;
  }
  items_.pop_back();
}

}  // namespace holdfast
