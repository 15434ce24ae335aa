#include "frontend/metrics/metrics.h"

#include <grpcpp/grpcpp.h>
#include <prometheus/text_serializer.h>

#include <iterator>
#include <utility>

#include "absl/strings/string_view.h"
#include "common/invariant.h"
#include "common/version.h"
#include "frontend/failure_status.h"
#include "frontend/logging/log.h"
#include "frontend/metrics/metric_table.h"

namespace holdfast {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

void Append(Families more, Families* families) {
  families->insert(families->end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
}

std::string SessionLabel(int state) {
  return std::string(SessionStateName(static_cast<SessionState>(state)));
}

std::string WorkerLabel(int state) {
  return std::string(WorkerStateName(static_cast<WorkerState>(state)));
}

std::string FailureLabel(int cause) {
  return FailureCauseName(static_cast<WorkerFailure::Cause>(cause));
}

std::string ExitLabel(int cause) {
  return cause == WorkerFailure::UNKNOWN ? "retired" : FailureLabel(cause);
}

std::string OutcomeLabel(int outcome) {
  constexpr const char* kNames[kRecoveryOutcomes] = {"restored", "lost", "abandoned"};
  return kNames[outcome];
}

std::string AskLabel(int reason) {
  constexpr const char* kNames[kAskReasons] = {"pressure", "growth"};
  return kNames[reason];
}

std::string SnapshotLabel(int outcome) {
  constexpr const char* kNames[kSnapshotOutcomes] = {"taken", "failed", "restored", "refused"};
  return kNames[outcome];
}

int CauseIndex(WorkerFailure::Cause cause) {
  return WorkerFailure::Cause_IsValid(cause) ? cause : WorkerFailure::UNKNOWN;
}

template <typename State, typename Counts>
void CountTransition(absl::optional<State> from, absl::optional<State> to, Counts* counts) {
  if (from.has_value()) --(*counts)[static_cast<int>(*from)];
  if (to.has_value()) ++(*counts)[static_cast<int>(*to)];
}

// A sample for each element of `counts`, with what `value` makes of its index as value of `label`.
template <typename Counts>
void AddCounts(const MetricLabels& labels, const char* label, std::string (*value)(int),
               const Counts& counts, prometheus::MetricFamily* family) {
  for (size_t i = 0; i < counts.size(); ++i) {
    MetricLabels all = labels;
    all.push_back({label, value(static_cast<int>(i))});
    AddSample(std::move(all), counts[i], family);
  }
}

template <typename Counts>
prometheus::MetricFamily CountsFamily(Metric metric, const char* label, std::string (*value)(int),
                                      const Counts& counts) {
  prometheus::MetricFamily family = MakeFamily(metric);
  AddCounts({}, label, value, counts, &family);
  return family;
}

prometheus::MetricFamily HistogramFamily(Metric metric, const LatencyHistogram& histogram) {
  prometheus::MetricFamily family = MakeFamily(metric);
  AddSample({}, histogram.Collect(), &family);
  return family;
}

}  // namespace

Metrics::Metrics(std::vector<std::string> rpc_methods, const Limits& limits)
    : rpcs_(std::move(rpc_methods)), limits_(limits) {}

void Metrics::SessionTransition(absl::optional<SessionState> from,
                                absl::optional<SessionState> to) {
  CountTransition(from, to, &sessions_);
}

void Metrics::WorkerTransition(absl::optional<WorkerState> from, absl::optional<WorkerState> to) {
  CountTransition(from, to, &workers_);
  if (!from.has_value() && to == WorkerState::kStarting) ++worker_starts_;
}

void Metrics::WorkerEnded(WorkerState last_state, WorkerFailure::Cause cause) {
  ++worker_exits_[static_cast<int>(last_state)][CauseIndex(cause)];
}

void Metrics::WorkerFailed(WorkerFailure::Cause cause) { ++worker_failures_[CauseIndex(cause)]; }

void Metrics::Recovered(RecoveryOutcome outcome, absl::Duration took) {
  ++recoveries_[static_cast<int>(outcome)];
  recovery_duration_.Observe(took);
}

void Metrics::SetBenchmarkCache(std::function<BenchmarkCache::Stats()> stats) {
  absl::MutexLock lock(&mutex_);
  cache_stats_ = std::move(stats);
}

void Metrics::SetCrashReports(std::function<CrashReporter::Stats()> stats) {
  absl::MutexLock lock(&mutex_);
  crash_report_stats_ = std::move(stats);
}

void Metrics::SetCheckpoints(std::function<CheckpointStore::Stats()> stats) {
  absl::MutexLock lock(&mutex_);
  checkpoint_stats_ = std::move(stats);
}

Families Metrics::Collect() const {
  prometheus::MetricFamily build = MakeFamily(Metric::kBuildInfo);
  AddSample({{"version", kVersion}, {"compiler", kCompiler}, {"grpc", grpc::Version()}}, 1, &build);
  const auto readiness = readiness_ == nullptr ? Readiness::Snapshot() : readiness_->Get();
  Families families = {std::move(build), MakeFamily(Metric::kReady, readiness.is_ready()),
                       MakeFamily(Metric::kDraining, readiness.state == ReadyState::kDraining)};
  Append(rpcs_.Collect(), &families);
  Append(CollectSupervision(), &families);
  Append(CollectCheckpoints(), &families);
  Append(CollectLimits(), &families);
  Append(CollectMemory(), &families);
  families.push_back(MakeFamily(Metric::kSuppressedLogLines, SuppressedLogLines()));
  families.push_back(MakeFamily(Metric::kBrokenInvariants, BrokenInvariants()));
  Append(process_.Collect(), &families);
  return families;
}

Families Metrics::CollectSupervision() const {
  prometheus::MetricFamily exits = MakeFamily(Metric::kWorkerExits);
  for (int state = 0; state < kWorkerStates; ++state) {
    // The dead do not end.
    if (state == static_cast<int>(WorkerState::kDead)) continue;
    AddCounts({{"state", WorkerLabel(state)}}, "cause", ExitLabel, worker_exits_[state], &exits);
  }
  return {
      CountsFamily(Metric::kSessions, "state", SessionLabel, sessions_),
      MakeFamily(Metric::kSessionsLimit, limits_.sessions),
      MakeFamily(Metric::kSessionsExpired, sessions_expired_),
      MakeFamily(Metric::kRefusedSteps, refused_steps_),
      CountsFamily(Metric::kWorkers, "state", WorkerLabel, workers_),
      MakeFamily(Metric::kWorkersLimit, limits_.workers),
      MakeFamily(Metric::kWarmTarget, static_cast<double>(warm_target_)),
      MakeFamily(Metric::kWaitingRequests, static_cast<double>(waiting_requests_)),
      CountsFamily(Metric::kAskedBack, "reason", AskLabel, asked_back_),
      MakeFamily(Metric::kWorkersReused, static_cast<double>(workers_reused_)),
      MakeFamily(Metric::kWorkerStarts, worker_starts_),
      HistogramFamily(Metric::kWorkerStartDuration, worker_start_duration_),
      std::move(exits),
      CountsFamily(Metric::kWorkerFailures, "cause", FailureLabel, worker_failures_),
      CountsFamily(Metric::kRecoveries, "outcome", OutcomeLabel, recoveries_),
      HistogramFamily(Metric::kRecoveryDuration, recovery_duration_),
  };
}

Families Metrics::CollectCheckpoints() const {
  CheckpointStore::Stats stats;
  {
    absl::MutexLock lock(&mutex_);
    if (checkpoint_stats_) stats = checkpoint_stats_();
  }
  return {CountsFamily(Metric::kSnapshots, "outcome", SnapshotLabel, snapshots_),
          MakeFamily(Metric::kCheckpoints, static_cast<double>(stats.count)),
          MakeFamily(Metric::kCheckpointBytes, static_cast<double>(stats.bytes)),
          MakeFamily(Metric::kCheckpointLimitBytes, static_cast<double>(limits_.checkpoint_bytes)),
          MakeFamily(Metric::kCheckpointsDropped, static_cast<double>(stats.dropped))};
}

Families Metrics::CollectLimits() const {
  prometheus::MetricFamily mechanisms = MakeFamily(Metric::kLimitMechanism);
  for (const auto& [limit, mechanism] : limit_mechanisms_) {
    AddSample({{"limit", limit}, {"mechanism", mechanism}}, 1, &mechanisms);
  }
  CrashReporter::Stats stats;
  {
    absl::MutexLock lock(&mutex_);
    if (crash_report_stats_) stats = crash_report_stats_();
  }
  prometheus::MetricFamily reports = MakeFamily(Metric::kCrashReports);
  AddSample({{"outcome", "written"}}, stats.written, &reports);
  AddSample({{"outcome", "duplicate"}}, stats.duplicates, &reports);
  AddSample({{"outcome", "failed"}}, stats.failed, &reports);
  AddSample({{"outcome", "dropped"}}, stats.dropped, &reports);
  return {std::move(mechanisms), std::move(reports),
          MakeFamily(Metric::kCrashReportFiles, stats.reports),
          MakeFamily(Metric::kCrashReportBytes, stats.bytes)};
}

Families Metrics::CollectMemory() const {
  BenchmarkCache::Stats cache = {};
  {
    absl::MutexLock lock(&mutex_);
    if (cache_stats_) cache = cache_stats_();
  }
  const std::pair<Metric, int64_t> values[] = {
      {Metric::kHistoryBytes, history_bytes_},
      {Metric::kBenchmarkBytes, benchmark_bytes_},
      {Metric::kRecordLimitBytes, limits_.record_bytes},
      {Metric::kInflightBytes, inflight_bytes_},
      {Metric::kInflightLimitBytes, limits_.inflight_bytes},
      {Metric::kCacheBytes, cache.size_bytes},
      {Metric::kCacheLimitBytes, cache.max_size_bytes},
      {Metric::kCacheItems, cache.items},
      {Metric::kCacheHits, cache.hits},
      {Metric::kCacheMisses, cache.misses},
      {Metric::kCacheEvictions, cache.evictions},
  };
  Families families;
  for (const auto& [metric, value] : values) families.push_back(MakeFamily(metric, value));
  return families;
}

std::string Metrics::Text() const { return prometheus::TextSerializer().Serialize(Collect()); }

}  // namespace holdfast
