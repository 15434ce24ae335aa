// The RPCs that were answered: how often, with which code, and how long they took.
#ifndef HOLDFAST_FRONTEND_METRICS_RPC_METRICS_H_
#define HOLDFAST_FRONTEND_METRICS_RPC_METRICS_H_

#include <grpcpp/support/status.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "frontend/metrics/latency_histogram.h"

namespace holdfast {

inline constexpr int kStatusCodes = 17;
// "OK", "CANCELLED", …
absl::string_view StatusCodeName(int code);

// Thread-safe: relaxed atomics, no mutex, and no allocation but in Collect().
class RpcMetrics : public prometheus::Collectable {
 public:
  // The names of the methods, by the index that Finished() is called with.
  explicit RpcMetrics(std::vector<std::string> methods);

  void Finished(int method, grpc::StatusCode code, absl::Duration took);

  int methods() const { return static_cast<int>(names_.size()); }
  const std::string& name(int method) const { return names_[method]; }
  // From arrival to answer, in seconds.
  prometheus::ClientMetric::Histogram Took(int method) const {
    return methods_[method].took.Collect();
  }

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  struct Method {
    std::array<std::atomic<int64_t>, kStatusCodes> finished{};
    LatencyHistogram took;
  };

  const std::vector<std::string> names_;
  std::vector<Method> methods_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_METRICS_RPC_METRICS_H_
