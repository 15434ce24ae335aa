#include "frontend/metrics/metric_table.h"

#include <prometheus/metric_type.h>

#include <utility>

namespace holdfast {
namespace {

using prometheus::MetricType;

struct Row {
  Metric metric;
  MetricType type;
  const char* name;
  const char* help;
};

constexpr Row kTable[] = {
    {Metric::kBuildInfo, MetricType::Gauge, "holdfast_build_info",
     "Always 1. The labels say what is running."},
    {Metric::kReady, MetricType::Gauge, "holdfast_ready",
     "1: workers can be started, and new calls are accepted. 0: not, or no longer, or the service "
     "stands still."},
    {Metric::kDraining, MetricType::Gauge, "holdfast_draining",
     "1: the service was told to end, and has not yet. 0: it was not."},

    {Metric::kRpcs, MetricType::Counter, "holdfast_rpcs_total",
     "RPCs that were answered, by method and status code."},
    {Metric::kRpcDuration, MetricType::Histogram, "holdfast_rpc_duration_seconds",
     "Time from an RPC's arrival to its answer, waiting and recoveries included."},

    {Metric::kSessions, MetricType::Gauge, "holdfast_sessions", "Sessions by state."},
    {Metric::kSessionsLimit, MetricType::Gauge, "holdfast_sessions_limit",
     "Sessions at most (--max_sessions)."},
    {Metric::kSessionsExpired, MetricType::Counter, "holdfast_sessions_expired_total",
     "Sessions ended because they had no call for --session_idle_timeout."},
    {Metric::kRefusedSteps, MetricType::Counter, "holdfast_refused_steps_total",
     "Steps refused because they had killed their worker before, at the same place."},
    {Metric::kWorkers, MetricType::Gauge, "holdfast_workers", "Worker processes by state."},
    {Metric::kWorkersLimit, MetricType::Gauge, "holdfast_workers_limit",
     "Worker processes at most (--max_workers)."},
    {Metric::kWarmTarget, MetricType::Gauge, "holdfast_warm_worker_target",
     "Idle workers to keep ready: --warm_workers, or more while the demand asks for them."},
    {Metric::kWaitingRequests, MetricType::Gauge, "holdfast_worker_requests_waiting",
     "Sessions that wait for a worker."},
    {Metric::kAskedBack, MetricType::Counter, "holdfast_workers_asked_back_total",
     "Sessions that were asked to give up their worker: because others waited for one (pressure), "
     "or because it had grown far beyond its first size (growth)."},
    {Metric::kWorkersReused, MetricType::Counter, "holdfast_workers_reused_total",
     "Sessions that ended so that their worker could serve another (--worker_reuse)."},
    {Metric::kWorkerStarts, MetricType::Counter, "holdfast_worker_starts_total",
     "Worker processes that were started, or should have been."},
    {Metric::kWorkerStartDuration, MetricType::Histogram, "holdfast_worker_start_duration_seconds",
     "Time from the start of a worker to its first answer."},
    {Metric::kWorkerExits, MetricType::Counter, "holdfast_worker_exits_total",
     "Worker processes that ended, by cause and by the state that they were in. Cause retired: in "
     "good order."},
    {Metric::kWorkerFailures, MetricType::Counter, "holdfast_worker_failures_total",
     "Failures of workers that held a session, by cause."},
    {Metric::kRecoveries, MetricType::Counter, "holdfast_recoveries_total",
     "Sessions rebuilt on another worker after theirs had failed, by outcome: restored, lost for "
     "good, or abandoned until the next call for want of time or of a worker."},
    {Metric::kRecoveryDuration, MetricType::Histogram, "holdfast_recovery_duration_seconds",
     "Time from the call that needs the session back to the end of its recovery, whatever it is."},
    {Metric::kSnapshots, MetricType::Counter, "holdfast_snapshots_total",
     "Snapshots of sessions: taken, failed to be taken, restored, or refused when they should have "
     "been restored, so that the session was replayed from its start."},
    {Metric::kCheckpoints, MetricType::Gauge, "holdfast_checkpoints", "Snapshots that are held."},
    {Metric::kCheckpointBytes, MetricType::Gauge, "holdfast_checkpoint_bytes",
     "Memory held by snapshots."},
    {Metric::kCheckpointLimitBytes, MetricType::Gauge, "holdfast_checkpoint_limit_bytes",
     "Memory for snapshots (--checkpoint_bytes)."},
    {Metric::kCheckpointsDropped, MetricType::Counter, "holdfast_checkpoints_dropped_total",
     "Snapshots dropped for want of room (--checkpoint_bytes)."},

    {Metric::kLimitMechanism, MetricType::Gauge, "holdfast_limit_mechanism",
     "Always 1. The labels say how workers are held to a limit: by the kernel (cgroup_v1, "
     "cgroup_v2, "
     "rlimit), or by looking at them from time to time (watchdog)."},
    {Metric::kCrashReports, MetricType::Counter, "holdfast_crash_reports_total",
     "Failures for crash reports, by what became of them: a new file (written), one that was there "
     "already (duplicate), none, as it could not be written (failed) or too many came at once "
     "(dropped)."},
    {Metric::kCrashReportFiles, MetricType::Gauge, "holdfast_crash_report_files",
     "Crash reports there are."},
    {Metric::kCrashReportBytes, MetricType::Gauge, "holdfast_crash_report_bytes",
     "Size of all crash reports."},

    {Metric::kHistoryBytes, MetricType::Gauge, "holdfast_history_bytes",
     "Memory held by the histories of sessions."},
    {Metric::kBenchmarkBytes, MetricType::Gauge, "holdfast_benchmark_bytes",
     "Memory held by benchmarks, in the cache or in use by sessions."},
    {Metric::kRecordLimitBytes, MetricType::Gauge, "holdfast_record_limit_bytes",
     "Memory for histories and benchmarks together (--max_record_bytes)."},
    {Metric::kInflightBytes, MetricType::Gauge, "holdfast_inflight_bytes",
     "Memory held by requests and replies under way."},
    {Metric::kInflightLimitBytes, MetricType::Gauge, "holdfast_inflight_limit_bytes",
     "Memory for requests and replies under way (--max_inflight_bytes)."},
    {Metric::kCacheBytes, MetricType::Gauge, "holdfast_benchmark_cache_bytes",
     "Serialised size of the benchmarks in the cache."},
    {Metric::kCacheLimitBytes, MetricType::Gauge, "holdfast_benchmark_cache_limit_bytes",
     "Size at which the benchmark cache evicts."},
    {Metric::kCacheItems, MetricType::Gauge, "holdfast_benchmark_cache_items",
     "Benchmarks in the cache."},
    {Metric::kCacheHits, MetricType::Counter, "holdfast_benchmark_cache_hits_total",
     "Look-ups of benchmarks that were in the cache."},
    {Metric::kCacheMisses, MetricType::Counter, "holdfast_benchmark_cache_misses_total",
     "Look-ups of benchmarks that were not in the cache."},
    {Metric::kCacheEvictions, MetricType::Counter, "holdfast_benchmark_cache_evictions_total",
     "Benchmarks evicted from the cache to make room."},

    {Metric::kSuppressedLogLines, MetricType::Counter, "holdfast_log_lines_suppressed_total",
     "Lines of the log that were not written, because too many were alike."},
    {Metric::kBrokenInvariants, MetricType::Counter, "holdfast_broken_invariants_total",
     "Errors found in the service's own bookkeeping. Anything but 0 is a bug."},

    {Metric::kProcessCpu, MetricType::Counter, "process_cpu_seconds_total",
     "User and system CPU time spent, workers not included."},
    {Metric::kProcessResidentMemory, MetricType::Gauge, "process_resident_memory_bytes",
     "Resident memory size, workers not included."},
    {Metric::kProcessVirtualMemory, MetricType::Gauge, "process_virtual_memory_bytes",
     "Virtual memory size."},
    {Metric::kProcessOpenFds, MetricType::Gauge, "process_open_fds", "Open file descriptors."},
    {Metric::kProcessMaxFds, MetricType::Gauge, "process_max_fds",
     "Limit on open file descriptors."},
    {Metric::kProcessStartTime, MetricType::Gauge, "process_start_time_seconds",
     "Start of the process, in seconds since the Unix epoch."},
    {Metric::kProcessThreads, MetricType::Gauge, "process_threads", "Threads of the process."},
};

constexpr bool IsInOrder() {
  int next = 0;
  for (const Row& row : kTable) {
    if (static_cast<int>(row.metric) != next++) return false;
  }
  return next == kMetrics;
}
static_assert(IsInOrder(), "the rows must be in the order of the enum");

}  // namespace

prometheus::MetricFamily MakeFamily(Metric metric) {
  const Row& row = kTable[static_cast<int>(metric)];
  return {row.name, row.help, row.type, {}};
}

prometheus::MetricFamily MakeFamily(Metric metric, double value) {
  prometheus::MetricFamily family = MakeFamily(metric);
  AddSample({}, value, &family);
  return family;
}

void AddSample(MetricLabels labels, double value, prometheus::MetricFamily* family) {
  prometheus::ClientMetric& sample = family->metric.emplace_back();
  sample.label = std::move(labels);
  if (family->type == MetricType::Counter) {
    sample.counter.value = value;
  } else {
    sample.gauge.value = value;
  }
}

void AddSample(MetricLabels labels, prometheus::ClientMetric::Histogram histogram,
               prometheus::MetricFamily* family) {
  prometheus::ClientMetric& sample = family->metric.emplace_back();
  sample.label = std::move(labels);
  sample.histogram = std::move(histogram);
}

}  // namespace holdfast
