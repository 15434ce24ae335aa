// How long something took, over and over again.
#ifndef HOLDFAST_FRONTEND_METRICS_LATENCY_HISTOGRAM_H_
#define HOLDFAST_FRONTEND_METRICS_LATENCY_HISTOGRAM_H_

#include <prometheus/client_metric.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "absl/numeric/bits.h"
#include "absl/time/time.h"

namespace holdfast {

// Thread-safe: relaxed atomics, no mutex, no allocation.
class LatencyHistogram {
 public:
  static constexpr int kBounds = 16;
  // 1, 3, 10, 30, …, from 10 us to 300 s. The last is the end of the search: nothing exceeds it.
  static constexpr std::array<int64_t, kBounds + 1> kBoundNanos = [] {
    std::array<int64_t, kBounds + 1> bounds{};
    int64_t decade = 10000;
    for (int i = 0; i < kBounds; i += 2) {
      bounds[i] = decade;
      bounds[i + 1] = 3 * decade;
      decade *= 10;
    }
    bounds[kBounds] = INT64_MAX;
    return bounds;
  }();

  // The bucket of a value: the first whose bound is not below it. The bounds are more than a factor
  // of two apart, so that at most one is among the values of the same bit width.
  static int Bucket(int64_t nanos) {
    const int bucket = kFirstOfWidth[absl::bit_width(static_cast<uint64_t>(nanos))];
    return bucket + static_cast<int>(nanos > kBoundNanos[bucket]);
  }

  // Counts as at least 0 and at most a day, so that the sum cannot overflow in any real time.
  void Observe(absl::Duration took) {
    const int64_t nanos = std::clamp(absl::ToInt64Nanoseconds(took), int64_t{0}, kMaxNanos);
    buckets_[Bucket(nanos)].fetch_add(1, std::memory_order_relaxed);
    sum_nanos_.fetch_add(nanos, std::memory_order_relaxed);
  }

  prometheus::ClientMetric::Histogram Collect() const {
    prometheus::ClientMetric::Histogram histogram;
    histogram.bucket.reserve(kBounds);
    for (int i = 0; i <= kBounds; ++i) {
      histogram.sample_count += buckets_[i].load(std::memory_order_relaxed);
      if (i < kBounds) {
        histogram.bucket.push_back({histogram.sample_count, kBoundNanos[i] / 1e9});
      }
    }
    histogram.sample_sum = sum_nanos_.load(std::memory_order_relaxed) / 1e9;
    return histogram;
  }

 private:
  static constexpr int64_t kMaxNanos = int64_t{24} * 3600 * 1000000000;

  // For each bit width, the bucket of the smallest such value.
  static constexpr std::array<uint8_t, 65> kFirstOfWidth = [] {
    std::array<uint8_t, 65> first{};
    for (int width = 1; width <= 64; ++width) {
      const uint64_t smallest = uint64_t{1} << (width - 1);
      first[width] = first[width - 1];
      while (smallest > static_cast<uint64_t>(kBoundNanos[first[width]]) &&
             first[width] < kBounds) {
        ++first[width];
      }
    }
    return first;
  }();

  std::array<std::atomic<int64_t>, kBounds + 1> buckets_{};
  std::atomic<int64_t> sum_nanos_{0};
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_METRICS_LATENCY_HISTOGRAM_H_
