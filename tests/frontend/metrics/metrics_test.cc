#include "frontend/metrics/metrics.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/unique_fd.h"
#include "common/version.h"
#include "frontend/health/readiness.h"
#include "frontend/logging/log.h"
#include "frontend/metrics/metric_table.h"

namespace holdfast {
namespace {

const std::vector<std::string>& Methods() {
  static const auto* const methods = new std::vector<std::string>{"GetVersion", "Step"};
  return *methods;
}
constexpr int kStep = 1;
constexpr Metrics::Limits kLimits = {1, 2, 3, 4, 5};

// Each series, as `name{label="value"}`, with its value.
std::map<std::string, double> Parse(const std::string& text) {
  std::map<std::string, double> series;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    if (line[0] == '#') continue;
    const size_t space = line.rfind(' ');
    double value = -1;
    EXPECT_TRUE(absl::SimpleAtod(line.substr(space + 1), &value)) << line;
    EXPECT_TRUE(series.emplace(line.substr(0, space), value).second) << "twice: " << line;
  }
  return series;
}

std::set<std::string> Names(const std::map<std::string, double>& series) {
  std::set<std::string> names;
  for (const auto& [name, value] : series) names.insert(name);
  return names;
}

// Something of everything that can happen.
void UseAll(Metrics* metrics) {
  for (int method = 0; method < static_cast<int>(Methods().size()); ++method) {
    for (int code = 0; code < kStatusCodes; ++code) {
      metrics->RpcFinished(method, static_cast<grpc::StatusCode>(code), absl::Microseconds(1));
    }
  }
  metrics->RpcFinished(kStep, static_cast<grpc::StatusCode>(31), absl::InfiniteDuration());
  for (int state = 0; state < kSessionStates; ++state) {
    metrics->SessionTransition(absl::nullopt, static_cast<SessionState>(state));
  }
  for (int state = 0; state < kWorkerStates; ++state) {
    metrics->WorkerTransition(absl::nullopt, static_cast<WorkerState>(state));
  }
  for (int cause = 0; cause < WorkerFailure::Cause_ARRAYSIZE; ++cause) {
    metrics->WorkerFailed(static_cast<WorkerFailure::Cause>(cause));
    metrics->WorkerEnded(WorkerState::kLeased, static_cast<WorkerFailure::Cause>(cause));
  }
  for (int outcome = 0; outcome < kRecoveryOutcomes; ++outcome) {
    metrics->Recovered(static_cast<RecoveryOutcome>(outcome), absl::Seconds(1));
  }
  for (int outcome = 0; outcome < kSnapshotOutcomes; ++outcome) {
    metrics->Snapshot(static_cast<SnapshotOutcome>(outcome));
  }
  metrics->SetCheckpoints([] { return CheckpointStore::Stats{1, 2, 3}; });
  for (int reason = 0; reason < kAskReasons; ++reason) {
    metrics->WorkerAskedBack(static_cast<AskReason>(reason));
  }
  metrics->WorkerReused();
  metrics->SetWorkerDemand(/*waiting=*/1, /*warm_target=*/2);
  metrics->WorkerReady(absl::Milliseconds(3));
  *metrics->history_bytes() += 1;
  metrics->AddInflightBytes(2);
  metrics->AddBenchmarkBytes(3);
  metrics->SessionsExpired(2);
  metrics->StepRefused();
  metrics->SetCrashReports([] { return CrashReporter::Stats{1, 2, 3, 4, 5, 6}; });
  metrics->SetBenchmarkCache([] { return BenchmarkCache::Stats{4, 5, 6, 7, 8, 9}; });
}

// What promtool has to say against `text`.
std::string Lint(absl::string_view text) {
  const std::string base = absl::StrCat(testing::TempDir(), "/promtool");
  { std::ofstream(absl::StrCat(base, ".in")) << text; }
  const int result = std::system(
      absl::StrCat("promtool check metrics < ", base, ".in > ", base, ".out 2>&1").c_str());
  std::ifstream file(absl::StrCat(base, ".out"));
  const std::string output(std::istreambuf_iterator<char>(file), {});
  return result == 0 ? output : absl::StrCat("exit status ", result, ": ", output);
}

bool HasPromtool() { return std::system("command -v promtool > /dev/null") == 0; }

bool IsLimit(absl::string_view series) {
  return absl::EndsWith(series, "_limit") ||
         (absl::EndsWith(series, "_limit_bytes") && !absl::StrContains(series, "cache"));
}

TEST(MetricsTest, TellsWhetherItIsReadyAndWhetherItDrains) {
  Metrics metrics(Methods(), kLimits);
  EXPECT_EQ(Parse(metrics.Text())["holdfast_ready"], 0);
  Readiness readiness;
  metrics.SetReadiness(&readiness);
  readiness.SetReady();
  EXPECT_EQ(Parse(metrics.Text())["holdfast_ready"], 1);
  EXPECT_EQ(Parse(metrics.Text())["holdfast_draining"], 0);
  readiness.SetDraining();
  EXPECT_EQ(Parse(metrics.Text())["holdfast_ready"], 0);
  EXPECT_EQ(Parse(metrics.Text())["holdfast_draining"], 1);
}

TEST(MetricsTest, TellsTheLimits) {
  std::map<std::string, double> limits;
  for (const auto& [name, value] : Parse(Metrics(Methods(), kLimits).Text())) {
    if (IsLimit(name)) limits[name] = value;
  }
  EXPECT_EQ(limits, (std::map<std::string, double>{{"holdfast_sessions_limit", 1},
                                                   {"holdfast_workers_limit", 2},
                                                   {"holdfast_record_limit_bytes", 3},
                                                   {"holdfast_inflight_limit_bytes", 4},
                                                   {"holdfast_checkpoint_limit_bytes", 5}}));
}

TEST(MetricsTest, AllSeriesExistAtZeroFromTheStart) {
  Metrics metrics(Methods(), kLimits);
  const auto before = Parse(metrics.Text());
  for (const auto& [name, value] : before) {
    if (absl::StartsWith(name, "holdfast_build_info{") ||
        absl::StartsWith(name, "holdfast_limit_mechanism{")) {
      EXPECT_EQ(value, 1) << name;
    } else if (!absl::StartsWith(name, "process_") && !IsLimit(name)) {
      EXPECT_EQ(value, 0) << name;
    }
  }
  UseAll(&metrics);
  const auto after = Parse(metrics.Text());
  EXPECT_EQ(Names(before), Names(after));
  // They all changed, but for the buckets above what was observed, other states' exits, and what
  // cannot be at once.
  for (const auto& [name, value] : after) {
    if (absl::StrContains(name, "_bucket{") || absl::StartsWith(name, "process_") ||
        absl::StartsWith(name, "holdfast_build_info") ||
        absl::StartsWith(name, "holdfast_broken_invariants") ||
        absl::StartsWith(name, "holdfast_log_lines_suppressed") || name == "holdfast_ready" ||
        name == "holdfast_draining" || absl::StartsWith(name, "holdfast_worker_exits")) {
      continue;
    }
    EXPECT_GT(value, 0) << name;
  }
}

TEST(MetricsTest, EachMetricOfTheTableIsExposedOnce) {
  const std::vector<prometheus::MetricFamily> families = Metrics(Methods(), kLimits).Collect();
  ASSERT_EQ(families.size(), kMetrics);
  for (int i = 0; i < kMetrics; ++i) {
    EXPECT_EQ(families[i].name, MakeFamily(static_cast<Metric>(i)).name);
    EXPECT_FALSE(families[i].metric.empty()) << families[i].name;
    EXPECT_FALSE(families[i].help.empty()) << families[i].name;
  }
}

TEST(MetricsTest, LogLinesThatWereSuppressed) {
  const Metrics metrics(Methods(), kLimits);
  LogOptions options;
  options.repeats = {/*burst=*/1, /*per_second=*/0};
  InitLogging(options);
  for (int i = 0; i < 4; ++i) LogError(Subsystem::kFront, "again");
  InitLogging(LogOptions());
  EXPECT_EQ(Parse(metrics.Text())["holdfast_log_lines_suppressed_total"], 3);
}

TEST(MetricsTest, PromtoolAcceptsThem) {
  if (!HasPromtool()) GTEST_SKIP() << "promtool is not installed (Debian package prometheus)";
  Metrics metrics(Methods(), kLimits);
  EXPECT_EQ(Lint(metrics.Text()), "");
  UseAll(&metrics);
  EXPECT_EQ(Lint(metrics.Text()), "");
  EXPECT_NE(Lint("Holdfast-Ready 1\n"), "");  // It would complain.
}

TEST(MetricsTest, Rpcs) {
  Metrics metrics(Methods(), kLimits);
  metrics.RpcFinished(kStep, grpc::StatusCode::OK, absl::Microseconds(10));
  metrics.RpcFinished(kStep, grpc::StatusCode::OK, absl::Milliseconds(2));
  metrics.RpcFinished(kStep, grpc::StatusCode::ABORTED, absl::Seconds(400));
  metrics.RpcFinished(kStep, static_cast<grpc::StatusCode>(17), -absl::Seconds(1));
  auto series = Parse(metrics.Text());
  EXPECT_EQ(series[R"(holdfast_rpcs_total{method="Step",code="OK"})"], 2);
  EXPECT_EQ(series[R"(holdfast_rpcs_total{method="Step",code="ABORTED"})"], 1);
  EXPECT_EQ(series[R"(holdfast_rpcs_total{method="Step",code="UNKNOWN"})"], 1);
  EXPECT_EQ(series[R"(holdfast_rpcs_total{method="GetVersion",code="OK"})"], 0);
  const std::string bucket = R"(holdfast_rpc_duration_seconds_bucket{method="Step",le=")";
  EXPECT_EQ(series[bucket + R"(1e-05"})"], 2);
  EXPECT_EQ(series[bucket + R"(0.001"})"], 2);
  EXPECT_EQ(series[bucket + R"(0.003"})"], 3);
  EXPECT_EQ(series[bucket + R"(300"})"], 3);
  EXPECT_EQ(series[bucket + R"(+Inf"})"], 4);
  EXPECT_EQ(series[R"(holdfast_rpc_duration_seconds_count{method="Step"})"], 4);
  EXPECT_NEAR(series[R"(holdfast_rpc_duration_seconds_sum{method="Step"})"], 400.00201, 1e-9);
}

TEST(MetricsTest, NamesOfStatusCodes) {
  EXPECT_EQ(StatusCodeName(grpc::StatusCode::OK), "OK");
  EXPECT_EQ(StatusCodeName(grpc::StatusCode::INVALID_ARGUMENT), "INVALID_ARGUMENT");
  EXPECT_EQ(StatusCodeName(grpc::StatusCode::DEADLINE_EXCEEDED), "DEADLINE_EXCEEDED");
  EXPECT_EQ(StatusCodeName(grpc::StatusCode::NOT_FOUND), "NOT_FOUND");
  EXPECT_EQ(StatusCodeName(grpc::StatusCode::RESOURCE_EXHAUSTED), "RESOURCE_EXHAUSTED");
  EXPECT_EQ(StatusCodeName(grpc::StatusCode::ABORTED), "ABORTED");
  EXPECT_EQ(StatusCodeName(grpc::StatusCode::UNAVAILABLE), "UNAVAILABLE");
  EXPECT_EQ(StatusCodeName(grpc::StatusCode::DATA_LOSS), "DATA_LOSS");
  EXPECT_EQ(StatusCodeName(grpc::StatusCode::UNAUTHENTICATED), "UNAUTHENTICATED");
  EXPECT_EQ(StatusCodeName(-1), "UNKNOWN");
  EXPECT_EQ(StatusCodeName(17), "UNKNOWN");
}

TEST(LatencyHistogramTest, BucketIsTheFirstWhoseBoundIsNotBelow) {
  const auto& bounds = LatencyHistogram::kBoundNanos;
  EXPECT_EQ(bounds.front(), 10 * 1000);
  EXPECT_EQ(bounds[LatencyHistogram::kBounds - 1], 300 * int64_t{1000000000});
  std::vector<int64_t> values = {0, 1, INT64_MAX};
  for (int64_t power = 1; power < INT64_MAX / 2; power *= 2) {
    values.insert(values.end(), {power - 1, power, power + 1});
  }
  for (int i = 0; i < LatencyHistogram::kBounds; ++i) {
    values.insert(values.end(), {bounds[i] - 1, bounds[i], bounds[i] + 1});
  }
  for (const int64_t value : values) {
    const auto expected = std::lower_bound(bounds.begin(), bounds.end(), value);
    EXPECT_EQ(LatencyHistogram::Bucket(value), expected - bounds.begin()) << value;
  }
}

TEST(MetricsTest, SessionsByState) {
  Metrics metrics(Methods(), kLimits);
  metrics.SessionTransition(absl::nullopt, SessionState::kParked);
  metrics.SessionTransition(absl::nullopt, SessionState::kParked);
  metrics.SessionTransition(SessionState::kParked, SessionState::kMaterialising);
  auto series = Parse(metrics.Text());
  EXPECT_EQ(series[R"(holdfast_sessions{state="parked"})"], 1);
  EXPECT_EQ(series[R"(holdfast_sessions{state="materialising"})"], 1);
  metrics.SessionTransition(SessionState::kMaterialising, absl::nullopt);
  EXPECT_EQ(Parse(metrics.Text())[R"(holdfast_sessions{state="materialising"})"], 0);
}

TEST(MetricsTest, WorkersFromStartToEnd) {
  Metrics metrics(Methods(), kLimits);
  metrics.WorkerTransition(absl::nullopt, WorkerState::kStarting);
  metrics.WorkerTransition(absl::nullopt, WorkerState::kStarting);
  metrics.WorkerTransition(WorkerState::kStarting, WorkerState::kIdle);
  metrics.WorkerReady(absl::Milliseconds(4));
  metrics.WorkerTransition(WorkerState::kStarting, WorkerState::kDead);
  metrics.WorkerEnded(WorkerState::kStarting, WorkerFailure::EXIT);
  metrics.WorkerTransition(WorkerState::kDead, absl::nullopt);
  metrics.WorkerEnded(WorkerState::kRetiring, WorkerFailure::UNKNOWN);
  metrics.WorkerEnded(WorkerState::kLeased, WorkerFailure::TIME_LIMIT);
  metrics.WorkerFailed(WorkerFailure::TIME_LIMIT);
  auto series = Parse(metrics.Text());
  EXPECT_EQ(series["holdfast_worker_starts_total"], 2);
  EXPECT_EQ(series[R"(holdfast_workers{state="starting"})"], 0);
  EXPECT_EQ(series[R"(holdfast_workers{state="idle"})"], 1);
  EXPECT_EQ(series[R"(holdfast_workers{state="dead"})"], 0);
  EXPECT_EQ(series["holdfast_worker_start_duration_seconds_count"], 1);
  EXPECT_EQ(series[R"(holdfast_worker_start_duration_seconds_bucket{le="0.003"})"], 0);
  EXPECT_EQ(series[R"(holdfast_worker_start_duration_seconds_bucket{le="0.01"})"], 1);
  const std::string exits = "holdfast_worker_exits_total";
  EXPECT_EQ(series[exits + R"({state="starting",cause="exit"})"], 1);
  EXPECT_EQ(series[exits + R"({state="retiring",cause="retired"})"], 1);
  EXPECT_EQ(series[exits + R"({state="leased",cause="time_limit"})"], 1);
  EXPECT_EQ(series[R"(holdfast_worker_failures_total{cause="time_limit"})"], 1);
}

TEST(MetricsTest, DemandForWorkers) {
  Metrics metrics(Methods(), kLimits);
  metrics.SetWorkerDemand(/*waiting=*/7, /*warm_target=*/5);
  metrics.WorkerAskedBack(AskReason::kPressure);
  metrics.WorkerAskedBack(AskReason::kPressure);
  metrics.WorkerAskedBack(AskReason::kGrowth);
  metrics.WorkerReused();
  metrics.WorkerTransition(absl::nullopt, WorkerState::kResetting);
  auto series = Parse(metrics.Text());
  EXPECT_EQ(series["holdfast_worker_requests_waiting"], 7);
  EXPECT_EQ(series["holdfast_warm_worker_target"], 5);
  EXPECT_EQ(series[R"(holdfast_workers_asked_back_total{reason="pressure"})"], 2);
  EXPECT_EQ(series[R"(holdfast_workers_asked_back_total{reason="growth"})"], 1);
  EXPECT_EQ(series["holdfast_workers_reused_total"], 1);
  EXPECT_EQ(series[R"(holdfast_workers{state="resetting"})"], 1);
}

TEST(MetricsTest, Recoveries) {
  Metrics metrics(Methods(), kLimits);
  metrics.Recovered(RecoveryOutcome::kRestored, absl::Milliseconds(5));
  metrics.Recovered(RecoveryOutcome::kRestored, absl::Milliseconds(6));
  metrics.Recovered(RecoveryOutcome::kLost, absl::Seconds(2));
  auto series = Parse(metrics.Text());
  EXPECT_EQ(series[R"(holdfast_recoveries_total{outcome="restored"})"], 2);
  EXPECT_EQ(series[R"(holdfast_recoveries_total{outcome="lost"})"], 1);
  EXPECT_EQ(series[R"(holdfast_recoveries_total{outcome="abandoned"})"], 0);
  EXPECT_EQ(series["holdfast_recovery_duration_seconds_count"], 3);
  EXPECT_NEAR(series["holdfast_recovery_duration_seconds_sum"], 2.011, 1e-9);
}

TEST(MetricsTest, BytesForBudgets) {
  Metrics metrics(Methods(), kLimits);
  metrics.AddInflightBytes(int64_t{1} << 40);
  metrics.AddInflightBytes(-1);
  metrics.AddBenchmarkBytes(5);
  *metrics.history_bytes() += 7;
  EXPECT_EQ(metrics.inflight_bytes(), (int64_t{1} << 40) - 1);
  EXPECT_EQ(metrics.benchmark_bytes(), 5);
  auto series = Parse(metrics.Text());
  EXPECT_EQ(series["holdfast_inflight_bytes"], (int64_t{1} << 40) - 1);
  EXPECT_EQ(series["holdfast_benchmark_bytes"], 5);
  EXPECT_EQ(series["holdfast_history_bytes"], 7);
}

TEST(MetricsTest, BenchmarkCache) {
  BenchmarkCache cache(/*max_size_bytes=*/1000, /*seed=*/1);
  Metrics metrics(Methods(), kLimits);
  metrics.SetBenchmarkCache([&cache] { return cache.GetStats(); });
  cache.Find("nothing");
  auto series = Parse(metrics.Text());
  EXPECT_EQ(series["holdfast_benchmark_cache_limit_bytes"], 1000);
  EXPECT_EQ(series["holdfast_benchmark_cache_misses_total"], 1);
  EXPECT_EQ(series["holdfast_benchmark_cache_hits_total"], 0);
  metrics.SetBenchmarkCache(nullptr);
  EXPECT_EQ(Parse(metrics.Text())["holdfast_benchmark_cache_limit_bytes"], 0);
}

TEST(MetricsTest, BuildAndProcess) {
  const Metrics metrics(Methods(), kLimits);
  auto series = Parse(metrics.Text());
  const auto build = series.lower_bound("holdfast_build_info{");
  EXPECT_TRUE(absl::StrContains(build->first, absl::StrCat("version=\"", kVersion, "\"")));
  EXPECT_GT(series["process_resident_memory_bytes"], 1 << 20);
  EXPECT_GT(series["process_virtual_memory_bytes"], series["process_resident_memory_bytes"]);
  EXPECT_GE(series["process_threads"], 1);
  EXPECT_GE(series["process_max_fds"], series["process_open_fds"]);
  const double age =
      absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()) - series["process_start_time_seconds"];
  EXPECT_GT(age, -5);
  EXPECT_LT(age, 600);

  const double fds = series["process_open_fds"];
  const UniqueFd fd(dup(0));
  EXPECT_EQ(Parse(metrics.Text())["process_open_fds"], fds + 1);
  volatile double work = 1;
  const absl::Time end = absl::Now() + absl::Seconds(5);
  while (Parse(metrics.Text())["process_cpu_seconds_total"] <=
             series["process_cpu_seconds_total"] &&
         absl::Now() < end) {
    for (int i = 0; i < 1000000; ++i) work = work * 1.0000001;
  }
  EXPECT_LT(absl::Now(), end);
}

TEST(MetricsTest, ScrapesWhileOthersCount) {
  constexpr int kEvents = 300000;
  Metrics metrics(Methods(), kLimits);
  std::atomic<bool> is_done{false};
  std::thread scraper([&] {
    while (!is_done) {
      auto series = Parse(metrics.Text());
      const double count = series[R"(holdfast_rpc_duration_seconds_count{method="Step"})"];
      // A histogram is always consistent in itself.
      EXPECT_EQ(series[R"(holdfast_rpc_duration_seconds_bucket{method="Step",le="+Inf"})"], count);
    }
  });
  std::vector<std::thread> writers;
  writers.emplace_back([&] {
    for (int i = 0; i < kEvents; ++i) {
      metrics.RpcFinished(kStep, grpc::StatusCode::OK, absl::Microseconds(i));
    }
  });
  for (int writer = 0; writer < 2; ++writer) {
    writers.emplace_back([&] {
      for (int i = 0; i < kEvents; ++i) {
        metrics.SessionTransition(absl::nullopt, SessionState::kParked);
        metrics.SessionTransition(SessionState::kParked, SessionState::kMaterialising);
        metrics.Recovered(RecoveryOutcome::kRestored, absl::Milliseconds(1));
        metrics.AddInflightBytes(3);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  is_done = true;
  scraper.join();
  auto series = Parse(metrics.Text());
  EXPECT_EQ(series[R"(holdfast_rpcs_total{method="Step",code="OK"})"], kEvents);
  EXPECT_EQ(series[R"(holdfast_sessions{state="parked"})"], 0);
  EXPECT_EQ(series[R"(holdfast_sessions{state="materialising"})"], 2 * kEvents);
  EXPECT_EQ(series["holdfast_recovery_duration_seconds_count"], 2 * kEvents);
  EXPECT_EQ(metrics.inflight_bytes(), 6 * kEvents);
}

}  // namespace
}  // namespace holdfast
