// Quantiles of what a histogram has counted.
#ifndef HOLDFAST_FRONTEND_ADMIN_QUANTILE_H_
#define HOLDFAST_FRONTEND_ADMIN_QUANTILE_H_

#include "absl/types/optional.h"
#include "absl/types/span.h"

namespace holdfast {

struct HistogramBucket {
  double upper_bound = 0;
  double count = 0;  // Of all observations up to the bound.
};

// Estimates the `q`-quantile, 0 to 1, as Prometheus's histogram_quantile() does: observations are
// taken to lie evenly in their bucket, the first of which begins at 0; what lies beyond the last
// bound counts as that bound. `buckets` are in the order of their bounds, the last of which is
// infinite. nullopt: there are no observations, or no bounds.
absl::optional<double> Quantile(double q, absl::Span<const HistogramBucket> buckets);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_QUANTILE_H_
