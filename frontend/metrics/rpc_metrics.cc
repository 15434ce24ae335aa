#include "frontend/metrics/rpc_metrics.h"

#include <utility>

#include "common/invariant.h"
#include "frontend/metrics/metric_table.h"

namespace holdfast {
namespace {

constexpr absl::string_view kCodeNames[kStatusCodes] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};
static_assert(grpc::StatusCode::UNAUTHENTICATED == kStatusCodes - 1, "the codes end with it");

}  // namespace

absl::string_view StatusCodeName(int code) {
  return kCodeNames[code >= 0 && code < kStatusCodes ? code : grpc::StatusCode::UNKNOWN];
}

RpcMetrics::RpcMetrics(std::vector<std::string> methods)
    : names_(std::move(methods)), methods_(names_.size()) {}

void RpcMetrics::Finished(int method, grpc::StatusCode code, absl::Duration took) {
  const bool is_known = method >= 0 && method < static_cast<int>(methods_.size());
  CheckInvariant(is_known, "no method has the index ", method);
  if (!is_known) return;
  // A code from the wire may be any number.
  const int index = code >= 0 && code < kStatusCodes ? code : grpc::StatusCode::UNKNOWN;
  methods_[method].finished[index].fetch_add(1, std::memory_order_relaxed);
  methods_[method].took.Observe(took);
}

std::vector<prometheus::MetricFamily> RpcMetrics::Collect() const {
  prometheus::MetricFamily finished = MakeFamily(Metric::kRpcs);
  prometheus::MetricFamily took = MakeFamily(Metric::kRpcDuration);
  for (size_t i = 0; i < methods_.size(); ++i) {
    for (int code = 0; code < kStatusCodes; ++code) {
      AddSample({{"method", names_[i]}, {"code", std::string(StatusCodeName(code))}},
                methods_[i].finished[code].load(std::memory_order_relaxed), &finished);
    }
    AddSample({{"method", names_[i]}}, methods_[i].took.Collect(), &took);
  }
  return {std::move(finished), std::move(took)};
}

}  // namespace holdfast
