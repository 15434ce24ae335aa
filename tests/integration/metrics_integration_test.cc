// /metrics of a real service: what monitoring sees of steps, crashes, recoveries and the cache.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

constexpr char kMisbehavingWorker[] = "tests/testcases/misbehaving_worker";
constexpr char kUri[] = "benchmark://metrics-test/program";

// The samples of an exposition: series, as "name{label=\"value\"}", and value.
using Samples = std::map<std::string, double>;

Samples ParseSamples(const std::string& text) {
  Samples samples;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    if (absl::StartsWith(line, "#")) continue;
    const size_t space = line.rfind(' ');
    double value = 0;
    EXPECT_TRUE(space != absl::string_view::npos && absl::SimpleAtod(line.substr(space), &value))
        << line;
    samples.emplace(line.substr(0, space), value);
  }
  return samples;
}

std::set<std::string> SeriesOf(const Samples& samples) {
  std::set<std::string> series;
  for (const auto& [name, value] : samples) series.insert(name);
  return series;
}

class MetricsTest : public testing::Test {
 protected:
  // Without warm workers nothing happens by itself. The cache holds two or three benchmarks.
  MetricsTest()
      : service_(kMisbehavingWorker, {"--warm_workers=0", "--benchmark_cache_bytes=200"}) {
    // The one worker that tells what workers offer.
    EXPECT_TRUE(WaitUntil([&] { return service_.Metric("holdfast_workers{state=\"idle\"}") == 1; }))
        << service_.MetricsText();
  }

  double Value(const std::string& series) const {
    const absl::optional<double> value = service_.Metric(series);
    EXPECT_TRUE(value.has_value()) << "no series " << series;
    return value.value_or(-1);
  }
  // Counting may come a moment after the answer.
  void Await(const std::string& series, double value) const {
    EXPECT_TRUE(WaitUntil([&] { return service_.Metric(series) == value; }))
        << series << " is " << Value(series) << ", not " << value;
  }
  static std::string Rpcs(const std::string& method, const std::string& code) {
    return absl::StrCat("holdfast_rpcs_total{method=\"", method, "\",code=\"", code, "\"}");
  }
  int64_t Action(TestSession* session, const std::string& name) {
    compiler_gym::GetSpacesReply spaces;
    grpc::ClientContext context;
    EXPECT_TRUE(session->stub().GetSpaces(&context, {}, &spaces).ok());
    const auto& names = spaces.action_space_list(0).space().named_discrete().name();
    return std::find(names.begin(), names.end(), name) - names.begin();
  }
  TestSession NewSession() { return TestSession(service_, kUri, "ok"); }

  ServiceProcess service_;
};

TEST_F(MetricsTest, PromtoolAcceptsThemBeforeAndAfterUse) {
  for (int i = 0; i < 2; ++i) {
    const ProgramResult result =
        RunProgram({"promtool", "check", "metrics"}, service_.MetricsText());
    EXPECT_EQ(result.exit, 0) << result.out << result.err;
    EXPECT_EQ(result.out + result.err, "");
    TestSession session = NewSession();
    EXPECT_TRUE(session.Step({Action(&session, "add_one")}).ok());
  }
}

TEST_F(MetricsTest, AllSeriesExistAtZeroBeforeTheFirstCall) {
  const Samples samples = ParseSamples(service_.MetricsText());
  for (const char* family : {"holdfast_build_info",
                             "holdfast_ready",
                             "holdfast_rpcs_total",
                             "holdfast_rpc_duration_seconds",
                             "holdfast_sessions",
                             "holdfast_workers",
                             "holdfast_worker_starts_total",
                             "holdfast_worker_start_duration_seconds",
                             "holdfast_worker_exits_total",
                             "holdfast_worker_failures_total",
                             "holdfast_recoveries_total",
                             "holdfast_recovery_duration_seconds",
                             "holdfast_history_bytes",
                             "holdfast_inflight_bytes",
                             "holdfast_benchmark_bytes",
                             "holdfast_benchmark_cache_bytes",
                             "holdfast_benchmark_cache_limit_bytes",
                             "holdfast_benchmark_cache_items",
                             "holdfast_benchmark_cache_hits_total",
                             "holdfast_benchmark_cache_misses_total",
                             "holdfast_benchmark_cache_evictions_total",
                             "holdfast_broken_invariants_total",
                             "process_cpu_seconds_total",
                             "process_resident_memory_bytes",
                             "process_open_fds",
                             "process_threads"}) {
    EXPECT_TRUE(std::any_of(samples.begin(), samples.end(), [&](const auto& sample) {
      return absl::StartsWith(sample.first, family);
    })) << family;
  }
  const std::vector<std::string> zero = {
      "rpcs_total", "rpc_duration", "sessions{",      "worker_exits",    "worker_failures",
      "recover",    "history",      "inflight_bytes", "benchmark_bytes", "benchmark_cache_bytes",
      "hits",       "misses",       "evictions",      "broken"};
  for (const auto& [series, value] : samples) {
    for (const std::string& part : zero) {
      if (absl::StartsWith(series, "holdfast_" + part) ||
          absl::StartsWith(series, "holdfast_benchmark_cache_" + part)) {
        EXPECT_EQ(value, 0) << series;
      }
    }
  }
  EXPECT_EQ(Value("holdfast_ready"), 1);
  EXPECT_EQ(Value("holdfast_draining"), 0);
  EXPECT_EQ(Value("holdfast_worker_starts_total"), 1);
  EXPECT_EQ(Value("holdfast_benchmark_cache_limit_bytes"), 200);
}

TEST_F(MetricsTest, CallsAreCountedByMethodAndCode) {
  TestSession session = NewSession();
  const int64_t add_one = Action(&session, "add_one");
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(session.Step({add_one}).ok());
  EXPECT_FALSE(session.Step({-1}).ok());
  EXPECT_FALSE(TestSession(service_, 42).Step({add_one}).ok());
  Await(Rpcs("AddBenchmark", "OK"), 1);
  Await(Rpcs("StartSession", "OK"), 1);
  Await(Rpcs("GetSpaces", "OK"), 1);
  Await(Rpcs("Step", "OK"), 5);
  Await(Rpcs("Step", "INVALID_ARGUMENT"), 1);
  Await(Rpcs("Step", "NOT_FOUND"), 1);
  Await("holdfast_rpc_duration_seconds_count{method=\"Step\"}", 7);
  EXPECT_GT(Value("holdfast_rpc_duration_seconds_sum{method=\"Step\"}"), 0);
  EXPECT_GT(Value("holdfast_history_bytes"), 0);
  Await("holdfast_inflight_bytes", 0);
}

TEST_F(MetricsTest, SessionsAndWorkersAreCountedByState) {
  TestSession session = NewSession();
  Await("holdfast_sessions{state=\"resident\"}", 1);
  Await("holdfast_workers{state=\"leased\"}", 1);
  TestSession fork = session.Fork();
  Await("holdfast_sessions{state=\"parked\"}", 1);
  EXPECT_TRUE(fork.Step({}).ok());
  Await("holdfast_sessions{state=\"resident\"}", 2);
  Await("holdfast_workers{state=\"leased\"}", 2);
  session.End();
  fork.End();
  Await("holdfast_sessions{state=\"resident\"}", 0);
  Await("holdfast_workers{state=\"leased\"}", 0);
  Await("holdfast_worker_exits_total{state=\"retiring\",cause=\"retired\"}", 2);
  Await("holdfast_history_bytes", 0);
  const Samples samples = ParseSamples(service_.MetricsText());
  for (const auto& [series, value] : samples) {
    if (absl::StartsWith(series, "holdfast_sessions{") ||
        absl::StartsWith(series, "holdfast_workers{")) {
      EXPECT_EQ(value, 0) << series;
    }
  }
}

TEST_F(MetricsTest, RecoveryBetweenCallsIsCountedOnce) {
  TestSession session = NewSession();
  EXPECT_TRUE(session.Step({Action(&session, "add_one")}).ok());
  for (const pid_t worker : service_.workers()) kill(worker, SIGKILL);
  Await("holdfast_worker_exits_total{state=\"leased\",cause=\"signal\"}", 1);
  Await("holdfast_sessions{state=\"parked\"}", 1);
  EXPECT_EQ(Value("holdfast_recoveries_total{outcome=\"restored\"}"), 0);
  EXPECT_TRUE(session.Step({}).ok());
  Await("holdfast_recoveries_total{outcome=\"restored\"}", 1);
  Await("holdfast_recovery_duration_seconds_count", 1);
  Await("holdfast_worker_failures_total{cause=\"signal\"}", 1);
  EXPECT_EQ(Value("holdfast_recoveries_total{outcome=\"lost\"}"), 0);
}

TEST_F(MetricsTest, CrashingStepIsCountedWithItsRetryAndRecovery) {
  TestSession session = NewSession();
  EXPECT_EQ(session.Step({Action(&session, "crash")}).error_code(), grpc::StatusCode::ABORTED);
  Await(Rpcs("Step", "ABORTED"), 1);
  Await("holdfast_worker_failures_total{cause=\"signal\"}", 2);  // The step and its retry.
  Await("holdfast_worker_exits_total{state=\"leased\",cause=\"signal\"}", 2);
  EXPECT_TRUE(session.Step({}).ok());
  Await("holdfast_recoveries_total{outcome=\"restored\"}", 2);
  EXPECT_EQ(Value("holdfast_broken_invariants_total"), 0);
}

TEST_F(MetricsTest, CacheHitsMissesAndEvictionsAreCounted) {
  const auto client = service_.NewClient();
  int64_t id = 0;
  EXPECT_FALSE(StartSession(client.get(), kUri, 0, &id).ok());
  Await("holdfast_benchmark_cache_misses_total", 1);
  TestSession session = NewSession();
  Await("holdfast_benchmark_cache_hits_total", 1);
  Await("holdfast_benchmark_cache_items", 1);
  const double bytes = Value("holdfast_benchmark_cache_bytes");
  EXPECT_GT(bytes, 0);
  EXPECT_EQ(Value("holdfast_benchmark_bytes"), bytes);
  EXPECT_EQ(Value("holdfast_benchmark_cache_evictions_total"), 0);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(
        AddBenchmark(client.get(), absl::StrCat("benchmark://metrics-test/", i), "ok").ok());
  }
  EXPECT_GT(Value("holdfast_benchmark_cache_evictions_total"), 0);
  EXPECT_LE(Value("holdfast_benchmark_cache_bytes"), 200);
  EXPECT_EQ(
      Value("holdfast_benchmark_cache_items") + Value("holdfast_benchmark_cache_evictions_total"),
      11);
}

TEST_F(MetricsTest, NoSeriesIsMadeByWhatClientsDo) {
  const std::set<std::string> before = SeriesOf(ParseSamples(service_.MetricsText()));
  TestSession session = NewSession();
  TestSession fork = session.Fork();
  EXPECT_TRUE(fork.Step({}).ok());
  EXPECT_FALSE(session.Step({Action(&session, "crash")}).ok());
  EXPECT_FALSE(session.SendParameter("no.such.key", "1").ok());
  EXPECT_TRUE(session.Step({}).ok());
  std::string pid;
  EXPECT_TRUE(session.SendParameter("get_pid", "", &pid).ok());
  fork.End();
  const std::string text = service_.MetricsText();
  EXPECT_EQ(SeriesOf(ParseSamples(text)), before);
  // And no label names what there are many of.
  const std::regex label("[{,]([a-z_]+)=\"([^\"]*)\"");
  std::set<std::string> names;
  for (std::sregex_iterator match(text.begin(), text.end(), label), end; match != end; ++match) {
    names.insert((*match)[1]);
    for (const std::string& unbounded : {absl::StrCat(session.id()), std::string(kUri), pid}) {
      EXPECT_NE((*match)[2].str(), unbounded);
    }
  }
  const std::set<std::string> bounded = {"method",  "code",  "state",     "cause",
                                         "outcome", "le",    "version",   "compiler",
                                         "grpc",    "limit", "mechanism", "reason"};
  for (const std::string& name : names) EXPECT_EQ(bounded.count(name), 1u) << name;
}

TEST(MetricsFlagTest, NoneAreServedIfNoneAreWanted) {
  ServiceProcess service(kMisbehavingWorker, {"--metrics_listen="});
  EXPECT_EQ(service.ReadFile("metrics_port.txt"), "");
  EXPECT_EQ(service.Terminate(), 0);
}

}  // namespace
}  // namespace holdfast
