#include "frontend/admin/status_collector.h"

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "common/version.h"
#include "frontend/admin/proto_time.h"
#include "frontend/admin/quantile.h"
#include "frontend/admin/service_limits.h"
#include "frontend/session_state.h"
#include "frontend/worker_slot.h"

namespace holdfast {
namespace {

// How many sessions are looked at to find who has which worker: those on workers are mostly those
// with the latest calls.
constexpr size_t kMaxLooks = 10000;

// By ReadyState.
constexpr admin::ServiceStatus::Readiness kReadiness[] = {
    admin::ServiceStatus::STARTING, admin::ServiceStatus::READY, admin::ServiceStatus::NOT_READY,
    admin::ServiceStatus::DRAINING};

int MaxEntries(int asked) {
  return asked > 0 ? std::min(asked, StatusCollector::kMaxEntries) : StatusCollector::kMaxEntries;
}

std::vector<HistogramBucket> BucketsOf(const prometheus::ClientMetric::Histogram& histogram) {
  std::vector<HistogramBucket> buckets;
  for (const auto& bucket : histogram.bucket) {
    buckets.push_back({bucket.upper_bound, static_cast<double>(bucket.cumulative_count)});
  }
  buckets.push_back(
      {std::numeric_limits<double>::infinity(), static_cast<double>(histogram.sample_count)});
  return buckets;
}

void AddBudget(const char* flag, int64_t bytes, int64_t max_bytes, admin::ServiceStatus* status) {
  admin::Budget* budget = status->add_budgets();
  budget->set_flag(flag);
  budget->set_bytes(bytes);
  budget->set_max_bytes(max_bytes);
}

void FillSession(const SessionInfo& info, admin::Session* session) {
  session->set_id(info.id);
  session->set_benchmark(info.benchmark);
  session->set_state(std::string(SessionStateName(info.state)));
  *session->mutable_start_time() = ToProto(info.start);
  if (info.last_call != absl::InfiniteFuture()) {
    *session->mutable_last_call_time() = ToProto(info.last_call);
  }
  session->set_actions(info.actions);
  session->set_worker(info.worker);
}

}  // namespace

StatusCollector::StatusCollector(Sources sources)
    : from_(std::move(sources)), start_(absl::Now()) {}

void StatusCollector::SetAddresses(const std::string& address, const std::string& metrics_address) {
  absl::MutexLock lock(&mutex_);
  address_ = address;
  metrics_address_ = metrics_address;
}

admin::ServiceStatus StatusCollector::Collect(const admin::GetStatusRequest& request) const {
  admin::ServiceStatus status;
  status.set_version(kVersion);
  status.set_build(absl::StrCat(kCompiler, ", gRPC ", grpc::Version()));
  status.set_pid(getpid());
  *status.mutable_time() = ToProto(absl::Now());
  *status.mutable_start_time() = ToProto(start_);
  {
    absl::MutexLock lock(&mutex_);
    status.set_address(address_);
    status.set_metrics_address(metrics_address_);
  }
  status.set_front_name(from_.options->front_name);
  status.set_worker_binary(from_.worker_binary);
  if (const WorkerDescription::Described described = from_.description->Get()) {
    status.set_compiler_version(described->version().compiler_version());
  }
  AddReadiness(&status);
  for (admin::Limit& limit : DescribeLimits(*from_.options, from_.mechanisms)) {
    *status.add_limits() = std::move(limit);
  }
  const WorkersById workers = AddWorkers(&status);
  AddSessions(MaxEntries(request.max_sessions()), workers, &status);
  AddEvents(MaxEntries(request.max_failures()), &status);
  AddMemory(&status);
  AddLatencies(&status);
  status.set_waiting_requests(static_cast<int32_t>(from_.metrics->waiting_requests()));
  status.set_warm_target(static_cast<int32_t>(from_.metrics->warm_target()));
  return status;
}

void StatusCollector::AddReadiness(admin::ServiceStatus* status) const {
  const Readiness::Snapshot now = from_.readiness->Get();
  status->set_readiness(now.is_stuck ? admin::ServiceStatus::NOT_READY
                                     : kReadiness[static_cast<int>(now.state)]);
  status->set_reason(now.reason);
}

StatusCollector::WorkersById StatusCollector::AddWorkers(admin::ServiceStatus* status) const {
  std::vector<WorkerInfo> infos;
  if (!from_.loop->Call([&] { infos = from_.pool->List(); })) {
    status->set_reason(absl::StrCat(status->reason(), status->reason().empty() ? "" : "; ",
                                    "the supervision thread did not say within ",
                                    absl::FormatDuration(from_.loop->timeout()),
                                    " which workers there are"));
  }
  const absl::Time now = absl::Now();
  WorkersById by_id;
  for (const WorkerInfo& info : infos) {
    admin::Worker* worker = status->add_workers();
    worker->set_id(info.id);
    worker->set_pid(info.pid);
    worker->set_state(std::string(WorkerStateName(info.state)));
    *worker->mutable_start_time() = ToProto(now - info.age);
    worker->set_resident_bytes(info.resident_bytes);
    worker->set_sessions_served(info.sessions_served);
    by_id[info.id] = worker;  // Elements of a repeated field stay where they are.
  }
  return by_id;
}

void StatusCollector::AddSessions(int max, const WorkersById& workers,
                                  admin::ServiceStatus* status) const {
  for (int state = 0; state < kSessionStates; ++state) {
    const auto session_state = static_cast<SessionState>(state);
    if (session_state == SessionState::kEnded) continue;
    (*status->mutable_sessions_by_state())[std::string(SessionStateName(session_state))] =
        from_.metrics->CountSessions(session_state);
  }
  // The time of its last call may change while we sort.
  std::vector<std::pair<absl::Time, std::shared_ptr<Session>>> sessions;
  for (std::shared_ptr<Session>& session : from_.table->List()) {
    sessions.emplace_back(session->idle_since(), std::move(session));
  }
  const size_t looks = std::min(sessions.size(), kMaxLooks);
  std::partial_sort(sessions.begin(), sessions.begin() + static_cast<ptrdiff_t>(looks),
                    sessions.end(), [](const auto& a, const auto& b) { return a > b; });
  size_t unknown_leases = std::count_if(workers.begin(), workers.end(), [](const auto& worker) {
    return worker.second->state() == WorkerStateName(WorkerState::kLeased);
  });
  for (size_t i = 0; i < looks; ++i) {
    const bool is_listed = i < static_cast<size_t>(max);
    if (!is_listed && unknown_leases == 0) break;
    const SessionInfo info = sessions[i].second->Info();
    const auto worker = workers.find(info.worker);
    if (worker != workers.end() && worker->second->session() == 0) {
      worker->second->set_session(info.id);
      if (unknown_leases > 0) --unknown_leases;
    }
    if (is_listed && info.state != SessionState::kEnded) FillSession(info, status->add_sessions());
  }
}

void StatusCollector::AddEvents(int max_failures, admin::ServiceStatus* status) const {
  for (admin::WorkerExit& exit : from_.journal->exits().List()) {
    *status->add_exits() = std::move(exit);
  }
  for (admin::Failure& failure : from_.journal->failures().List()) {
    if (status->failures_size() == max_failures) break;
    *status->add_failures() = std::move(failure);
  }
}

void StatusCollector::AddMemory(admin::ServiceStatus* status) const {
  const BenchmarkCache::Stats cache = from_.cache->GetStats();
  status->mutable_cache()->set_benchmarks(cache.items);
  status->mutable_cache()->set_bytes(cache.size_bytes);
  status->mutable_cache()->set_max_bytes(cache.max_size_bytes);
  status->mutable_cache()->set_hits(cache.hits);
  status->mutable_cache()->set_misses(cache.misses);
  status->mutable_cache()->set_evictions(cache.evictions);
  const Options& options = *from_.options;
  AddBudget("--max_record_bytes", from_.metrics->record_bytes(), options.max_record_bytes, status);
  AddBudget("--max_inflight_bytes", from_.metrics->inflight_bytes(), options.max_inflight_bytes,
            status);
  AddBudget("--checkpoint_bytes", from_.checkpoints->GetStats().bytes, options.checkpoint_bytes,
            status);
  AddBudget("--benchmark_cache_bytes", cache.size_bytes, cache.max_size_bytes, status);
}

void StatusCollector::AddLatencies(admin::ServiceStatus* status) const {
  const RpcMetrics& rpcs = from_.metrics->rpcs();
  for (int method = 0; method < rpcs.methods(); ++method) {
    const prometheus::ClientMetric::Histogram took = rpcs.Took(method);
    const std::vector<HistogramBucket> buckets = BucketsOf(took);
    admin::Latency* latency = status->add_latencies();
    latency->set_method(rpcs.name(method));
    latency->set_calls(static_cast<int64_t>(took.sample_count));
    const auto set = [&buckets](double q, google::protobuf::Duration* (admin::Latency::*mutate)(),
                                admin::Latency* to) {
      const absl::optional<double> seconds = Quantile(q, buckets);
      if (seconds.has_value()) *(to->*mutate)() = ToProto(absl::Seconds(*seconds));
    };
    set(0.5, &admin::Latency::mutable_p50, latency);
    set(0.9, &admin::Latency::mutable_p90, latency);
    set(0.99, &admin::Latency::mutable_p99, latency);
  }
}

}  // namespace holdfast
