// Prometheus's text format, read back.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_METRICS_TEXT_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_METRICS_TEXT_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "frontend/admin/quantile.h"

namespace holdfast {

using MetricLabel = std::pair<std::string, std::string>;

struct MetricSample {
  std::string name;
  std::vector<MetricLabel> labels;
  double value = 0;

  std::string Label(absl::string_view name) const;  // Empty: it has none of that name.
};

// In their order. Lines that are none, comments included, are left out.
std::vector<MetricSample> ParseMetrics(absl::string_view text);

// The sum over all series of that name; 0: there are none.
double SumOf(const std::vector<MetricSample>& samples, absl::string_view name);

// The buckets of the histogram `name`, of the one series with that label.
std::vector<HistogramBucket> BucketsOf(const std::vector<MetricSample>& samples,
                                       absl::string_view name, const MetricLabel& label);

// What `later` has counted since `earlier`: as many buckets, or else all of `later`.
std::vector<HistogramBucket> Since(const std::vector<HistogramBucket>& earlier,
                                   std::vector<HistogramBucket> later);

// A table of the series that are not zero, of at most 80 columns. A histogram is one line: its
// count, median and 99th percentile.
std::string SummarizeMetrics(absl::string_view text);

// All samples, as a JSON array of objects with "name", "labels" and "value".
std::string MetricsToJson(absl::string_view text);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_METRICS_TEXT_H_
