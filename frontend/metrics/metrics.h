// What the service counts and measures.
#ifndef HOLDFAST_FRONTEND_METRICS_METRICS_H_
#define HOLDFAST_FRONTEND_METRICS_METRICS_H_

#include <grpcpp/support/status.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "frontend/benchmarks/benchmark_cache.h"
#include "frontend/crash_reports/crash_reporter.h"
#include "frontend/health/readiness.h"
#include "frontend/metrics/latency_histogram.h"
#include "frontend/metrics/process_metrics.h"
#include "frontend/metrics/rpc_metrics.h"
#include "frontend/session.h"
#include "frontend/session_state.h"
#include "frontend/worker_pool.h"
#include "frontend/worker_slot.h"
#include "proto/worker_failure.pb.h"

namespace holdfast {

// All series exist from the start, at zero. Thread-safe, but SetLimitMechanisms() and
// SetStuckCheck(). Counting takes no mutex.
class Metrics : public prometheus::Collectable {
 public:
  // What gauges are compared with: the flags, so that alerts need not repeat them.
  struct Limits {
    int sessions = 0;
    int workers = 0;
    int64_t record_bytes = 0;
    int64_t inflight_bytes = 0;
    int64_t checkpoint_bytes = 0;
  };

  // The names of the methods, by the index that RpcFinished() is called with.
  Metrics(std::vector<std::string> rpc_methods, const Limits& limits);

  void RpcFinished(int method, grpc::StatusCode code, absl::Duration took) {
    rpcs_.Finished(method, code, took);
  }

  // nullopt: it has just been made, or is gone.
  void SessionTransition(absl::optional<SessionState> from, absl::optional<SessionState> to);
  // From nullopt to kStarting counts as a start.
  void WorkerTransition(absl::optional<WorkerState> from, absl::optional<WorkerState> to);
  // `took`: from its start to its first answer.
  void WorkerReady(absl::Duration took) { worker_start_duration_.Observe(took); }
  void WorkerAskedBack(AskReason reason) { ++asked_back_[static_cast<int>(reason)]; }
  void WorkerReused() { ++workers_reused_; }
  void SetWorkerDemand(int waiting, int warm_target) {
    waiting_requests_ = waiting;
    warm_target_ = warm_target;
  }
  // `last_state`: what it was doing. UNKNOWN is an orderly end.
  void WorkerEnded(WorkerState last_state, WorkerFailure::Cause cause);
  // A worker failed in the service of a session.
  void WorkerFailed(WorkerFailure::Cause cause);
  void Recovered(RecoveryOutcome outcome, absl::Duration took);
  void Snapshot(SnapshotOutcome outcome) { ++snapshots_[static_cast<int>(outcome)]; }
  void SessionsExpired(int count) { sessions_expired_ += count; }
  void StepRefused() { ++refused_steps_; }

  // What budgets are compared with. Histories count by themselves.
  std::atomic<int64_t>* history_bytes() { return &history_bytes_; }
  void AddInflightBytes(int64_t bytes) { inflight_bytes_ += bytes; }
  int64_t inflight_bytes() const { return inflight_bytes_; }
  void AddBenchmarkBytes(int64_t bytes) { benchmark_bytes_ += bytes; }
  int64_t benchmark_bytes() const { return benchmark_bytes_; }
  // Benchmarks and histories.
  int64_t record_bytes() const { return benchmark_bytes_ + history_bytes_; }

  // What else operators ask for.
  const RpcMetrics& rpcs() const { return rpcs_; }
  int64_t CountSessions(SessionState state) const { return sessions_[static_cast<int>(state)]; }
  int64_t waiting_requests() const { return waiting_requests_; }
  int64_t warm_target() const { return warm_target_; }

  // What is told of readiness; it outlives this object. Before anybody collects.
  void SetReadiness(const Readiness* readiness) { readiness_ = readiness; }
  // How workers are held to each limit: pairs of limit and mechanism. Before anybody collects.
  void SetLimitMechanisms(std::vector<std::pair<std::string, std::string>> mechanisms) {
    limit_mechanisms_ = std::move(mechanisms);
  }

  // Asked at each scrape. Null: no cache any more; after that, `stats` is not called again.
  void SetBenchmarkCache(std::function<BenchmarkCache::Stats()> stats);
  // Likewise.
  void SetCheckpoints(std::function<CheckpointStore::Stats()> stats);
  void SetCrashReports(std::function<CrashReporter::Stats()> stats);

  std::vector<prometheus::MetricFamily> Collect() const override;
  // In Prometheus's text format, version 0.0.4.
  std::string Text() const;

 private:
  static constexpr int kCauses = WorkerFailure::Cause_ARRAYSIZE;
  template <int kSize>
  using Counts = std::array<std::atomic<int64_t>, kSize>;

  std::vector<prometheus::MetricFamily> CollectSupervision() const;
  std::vector<prometheus::MetricFamily> CollectCheckpoints() const;
  std::vector<prometheus::MetricFamily> CollectLimits() const;  // And what exceeded them.
  std::vector<prometheus::MetricFamily> CollectMemory() const;

  RpcMetrics rpcs_;
  const Limits limits_;
  const ProcessMetrics process_;
  const Readiness* readiness_ = nullptr;

  Counts<kSessionStates> sessions_{};
  Counts<kWorkerStates> workers_{};
  std::atomic<int64_t> warm_target_{0};
  std::atomic<int64_t> waiting_requests_{0};
  Counts<kAskReasons> asked_back_{};
  std::atomic<int64_t> workers_reused_{0};
  std::atomic<int64_t> worker_starts_{0};
  LatencyHistogram worker_start_duration_;
  std::array<Counts<kCauses>, kWorkerStates> worker_exits_{};  // By last state.
  Counts<kCauses> worker_failures_{};
  Counts<kRecoveryOutcomes> recoveries_{};
  LatencyHistogram recovery_duration_;
  Counts<kSnapshotOutcomes> snapshots_{};

  std::atomic<int64_t> sessions_expired_{0};
  std::atomic<int64_t> refused_steps_{0};
  std::vector<std::pair<std::string, std::string>> limit_mechanisms_ = {
      {"memory", "none"}, {"processes", "none"}, {"file_size", "none"}, {"cpu", "none"}};

  std::atomic<int64_t> history_bytes_{0};
  std::atomic<int64_t> inflight_bytes_{0};
  std::atomic<int64_t> benchmark_bytes_{0};

  mutable absl::Mutex mutex_;
  std::function<BenchmarkCache::Stats()> cache_stats_ ABSL_GUARDED_BY(mutex_);
  std::function<CheckpointStore::Stats()> checkpoint_stats_ ABSL_GUARDED_BY(mutex_);
  std::function<CrashReporter::Stats()> crash_report_stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_METRICS_METRICS_H_
