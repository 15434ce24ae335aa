// The live view of a service.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_TOP_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_TOP_H_

#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "frontend/holdfastctl/metrics_text.h"
#include "proto/admin.pb.h"

namespace holdfast {

// What the service answered at one time.
struct TopSample {
  admin::ServiceStatus status;
  std::vector<MetricSample> metrics;
};

// A screen of at most `rows` lines of at most `columns` columns. Rates and latencies are those
// between `earlier` and `now`; without an earlier sample there are no rates, and latencies are
// those since the start of the service. Pure.
std::vector<std::string> TopLines(const absl::optional<TopSample>& earlier, const TopSample& now,
                                  int rows, int columns);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_TOP_H_
