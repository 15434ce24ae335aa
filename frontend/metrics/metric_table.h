// The names, types and meanings of all metrics: one table.
#ifndef HOLDFAST_FRONTEND_METRICS_METRIC_TABLE_H_
#define HOLDFAST_FRONTEND_METRICS_METRIC_TABLE_H_

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <vector>

namespace holdfast {

// In the order of the exposition.
enum class Metric {
  kBuildInfo,
  kReady,
  kDraining,
  kRpcs,
  kRpcDuration,
  kSessions,
  kSessionsLimit,
  kSessionsExpired,
  kRefusedSteps,
  kWorkers,
  kWorkersLimit,
  kWarmTarget,
  kWaitingRequests,
  kAskedBack,
  kWorkersReused,
  kWorkerStarts,
  kWorkerStartDuration,
  kWorkerExits,
  kWorkerFailures,
  kRecoveries,
  kRecoveryDuration,
  kSnapshots,
  kCheckpoints,
  kCheckpointBytes,
  kCheckpointLimitBytes,
  kCheckpointsDropped,
  kLimitMechanism,
  kCrashReports,
  kCrashReportFiles,
  kCrashReportBytes,
  kHistoryBytes,
  kBenchmarkBytes,
  kRecordLimitBytes,
  kInflightBytes,
  kInflightLimitBytes,
  kCacheBytes,
  kCacheLimitBytes,
  kCacheItems,
  kCacheHits,
  kCacheMisses,
  kCacheEvictions,
  kSuppressedLogLines,
  kBrokenInvariants,
  kProcessCpu,
  kProcessResidentMemory,
  kProcessVirtualMemory,
  kProcessOpenFds,
  kProcessMaxFds,
  kProcessStartTime,
  kProcessThreads,
};
inline constexpr int kMetrics = static_cast<int>(Metric::kProcessThreads) + 1;

using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

// Name, type and help; no samples yet.
prometheus::MetricFamily MakeFamily(Metric metric);
// A family of one sample, without labels: a counter or a gauge.
prometheus::MetricFamily MakeFamily(Metric metric, double value);

// Adds a sample to a counter or a gauge.
void AddSample(MetricLabels labels, double value, prometheus::MetricFamily* family);
void AddSample(MetricLabels labels, prometheus::ClientMetric::Histogram histogram,
               prometheus::MetricFamily* family);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_METRICS_METRIC_TABLE_H_
