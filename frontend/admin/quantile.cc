#include "frontend/admin/quantile.h"

#include <algorithm>

namespace holdfast {

absl::optional<double> Quantile(double q, absl::Span<const HistogramBucket> buckets) {
  if (buckets.size() < 2 || buckets.back().count <= 0) return absl::nullopt;
  const double rank = q * buckets.back().count;
  const auto infinite = buckets.end() - 1;
  const auto bucket = std::find_if(
      buckets.begin(), infinite, [rank](const HistogramBucket& one) { return one.count >= rank; });
  if (bucket == infinite) return (infinite - 1)->upper_bound;
  const HistogramBucket before = bucket == buckets.begin() ? HistogramBucket() : *(bucket - 1);
  const double count = bucket->count - before.count;
  // Only a rank of 0 finds a bucket with nothing in it.
  const double part = count > 0 ? (rank - before.count) / count : 0;
  return before.upper_bound + (bucket->upper_bound - before.upper_bound) * part;
}

}  // namespace holdfast
