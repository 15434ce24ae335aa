// A real Prometheus scrapes a service under load, whose workers crash and are killed: what it says
// must be what the load's clients counted. Alerts and dashboard are evaluated on the same data.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "tests/deploy/dashboard.h"
#include "tests/deploy/load_generator.h"
#include "tests/deploy/prometheus_process.h"
#include "tests/integration/misbehaving_service.h"

ABSL_FLAG(absl::Duration, load, absl::Seconds(60), "How long the service is under load.");
ABSL_FLAG(int, kills, 30, "How many workers are killed meanwhile.");

namespace holdfast {
namespace {

using testing::IsEmpty;
using Samples = PrometheusProcess::Samples;

// Prometheus waits no longer for an answer, and rounds its times by less than kRounding.
constexpr absl::Duration kScrapeTimeout = absl::Seconds(1);
constexpr absl::Duration kRounding = absl::Milliseconds(10);
// So many that none is ever surplus, asked back or waited for: workers end for reasons that the
// clients know.
constexpr int kWorkers = 12;

std::string MetricsAddress(const ServiceProcess& service) {
  return absl::StrCat("127.0.0.1:",
                      absl::StripAsciiWhitespace(service.ReadFile("metrics_port.txt")));
}

// One load for all tests, which look at what is left of it.
struct Scene {
  MisbehavingService service{
      {absl::StrCat("--warm_workers=", kWorkers), absl::StrCat("--max_workers=", kWorkers)}};
  PrometheusProcess prometheus{{MetricsAddress(service), /*alertmanager=*/"", /*is_hasty=*/false}};
  Tally tally;
  absl::Time begin;
  absl::Time end;
};

class PrometheusTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scene_ = new Scene;
    EXPECT_TRUE(WaitUntil([] { return Value("up{job=\"holdfast\"}") == 1; }));
    scene_->begin = absl::Now();
    LoadOptions options;
    options.duration = absl::GetFlag(FLAGS_load);
    options.kills = absl::GetFlag(FLAGS_kills);
    scene_->tally = RunLoad(&scene_->service, options);
    scene_->end = absl::Now();
    // The service may count a call, and end a worker, a moment after its answer.
    EXPECT_TRUE(WaitUntil([] {
      return scene_->service.Metric("holdfast_workers{state=\"idle\"}") == kWorkers &&
             scene_->service.Metric("holdfast_inflight_bytes") == 0;
    }));
    const double now = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
    EXPECT_TRUE(WaitUntil([now] { return Value("timestamp(holdfast_ready)") > now; }));
  }
  static void TearDownTestSuite() {
    delete scene_;
    scene_ = nullptr;
  }

  static const Scene& scene() { return *scene_; }
  static const Tally& tally() { return scene_->tally; }
  static const PrometheusProcess& prometheus() { return scene_->prometheus; }
  static absl::optional<double> Value(const std::string& query) {
    return scene_->prometheus.Value(query);
  }
  // The load's time, as a duration in a query.
  static std::string Range() {
    const absl::Duration since = absl::Now() - scene_->begin;
    return absl::StrCat("[", absl::ToInt64Seconds(since) + 1, "s]");
  }

 private:
  static Scene* scene_;
};

Scene* PrometheusTest::scene_ = nullptr;

TEST_F(PrometheusTest, ScrapesEachSecond) {
  const double seconds = absl::ToDoubleSeconds(scene().end - scene().begin);
  EXPECT_GE(seconds, absl::ToDoubleSeconds(absl::GetFlag(FLAGS_load)));
  EXPECT_GE(Value(absl::StrCat("sum_over_time(up{job=\"holdfast\"}", Range(), ")")).value_or(0),
            0.7 * seconds);
  // One process, whose counters never fall.
  EXPECT_EQ(Value(absl::StrCat("sum(resets(holdfast_rpcs_total", Range(), "))")), 0);
  EXPECT_EQ(Value("holdfast_ready"), 1);
  EXPECT_EQ(Value("holdfast_broken_invariants_total"), 0);
}

TEST_F(PrometheusTest, CallsAgreeByMethodAndCode) {
  Samples expected;
  for (const auto& [call, count] : tally().calls) expected[{call.first, call.second}] = count;
  EXPECT_GT(expected.size(), 6u);
  EXPECT_EQ(prometheus().Query("holdfast_rpcs_total > 0", {"method", "code"}), expected);
  EXPECT_EQ(Value("holdfast_refused_steps_total"), tally().refused_steps);
  EXPECT_EQ(Value("sum(holdfast_sessions)"), 0);
}

TEST_F(PrometheusTest, FailuresAndExitsAgreeByCause) {
  EXPECT_EQ(tally().kills, absl::GetFlag(FLAGS_kills));
  Samples failures;
  Samples exits;
  exits[{"retiring", "retired"}] = static_cast<double>(tally().sessions);
  for (const auto& [cause, count] : tally().failures) {
    failures[{cause}] = count;
    exits[{"leased", cause}] = count;
  }
  EXPECT_EQ(prometheus().Query("holdfast_worker_failures_total > 0", {"cause"}), failures);
  EXPECT_EQ(prometheus().Query("holdfast_worker_exits_total > 0", {"state", "cause"}), exits);
  EXPECT_EQ(prometheus().Query("holdfast_workers > 0", {"state"}), (Samples{{{"idle"}, kWorkers}}));
  EXPECT_EQ(Value("sum(holdfast_worker_starts_total) - sum(holdfast_worker_exits_total)"),
            kWorkers);
  EXPECT_EQ(Value("sum(holdfast_workers_asked_back_total)"), 0);
}

TEST_F(PrometheusTest, RecoveriesAgreeInTheEnd) {
  const auto recoveries = static_cast<double>(tally().recoveries.size());
  EXPECT_GE(recoveries, absl::GetFlag(FLAGS_kills));
  EXPECT_EQ(prometheus().Query("holdfast_recoveries_total", {"outcome"}),
            (Samples{{{"restored"}, recoveries}, {{"lost"}, 0}, {{"abandoned"}, 0}}));
  EXPECT_EQ(Value("holdfast_recovery_duration_seconds_count"), recoveries);
  double longest = 0;
  for (const Tally::Recovery& one : tally().recoveries) {
    longest += absl::ToDoubleSeconds(one.done - one.begun);
  }
  EXPECT_LE(Value("holdfast_recovery_duration_seconds_sum").value_or(longest + 1), longest);
}

TEST_F(PrometheusTest, RecoveriesAgreeAtEachScrape) {
  const nlohmann::json data = prometheus().Ask(
      "query",
      {{"query", absl::StrCat("holdfast_recoveries_total{outcome=\"restored\"}", Range())}});
  ASSERT_EQ(data["result"].size(), 1u);
  int changes = 0;
  double last = 0;
  for (const nlohmann::json& sample : data["result"][0]["values"]) {
    const absl::Time time = absl::UnixEpoch() + absl::Seconds(sample[0].get<double>());
    double value = -1;
    ASSERT_TRUE(absl::SimpleAtod(sample[1].get<std::string>(), &value));
    const auto count = [&](absl::Time Tally::Recovery::*when, absl::Time until) {
      return std::count_if(tally().recoveries.begin(), tally().recoveries.end(),
                           [&](const Tally::Recovery& one) { return one.*when <= until; });
    };
    EXPECT_GE(value, count(&Tally::Recovery::done, time - kRounding)) << time;
    EXPECT_LE(value, count(&Tally::Recovery::begun, time + kScrapeTimeout + kRounding)) << time;
    changes += value > last ? 1 : 0;
    last = value;
  }
  EXPECT_GE(changes, absl::GetFlag(FLAGS_kills) / 3) << "they came one by one";
}

TEST_F(PrometheusTest, LatencyHistogramsAgree) {
  Samples counts;
  for (const auto& [call, count] : tally().calls) counts[{call.first}] += count;
  EXPECT_EQ(prometheus().Query("holdfast_rpc_duration_seconds_count > 0", {"method"}), counts);

  std::vector<absl::Duration> steps = tally().steps;
  std::sort(steps.begin(), steps.end());
  const auto within = [&](double seconds) {
    return static_cast<double>(
        std::upper_bound(steps.begin(), steps.end(), absl::Seconds(seconds)) - steps.begin());
  };
  // What the service measures begins later than what the client measures. It ends when the answer
  // is sent, and known to be: that is a moment later, or earlier.
  const double few = 0.01 * static_cast<double>(steps.size());
  for (const auto& [labels, count] :
       prometheus().Query("holdfast_rpc_duration_seconds_bucket{method=\"Step\"}", {"le"})) {
    double bound = 0;
    ASSERT_TRUE(absl::SimpleAtod(labels[0], &bound));
    EXPECT_GE(count, within(bound) - few) << bound;
    // Such a step is far longer than the way to the client.
    if (bound >= 0.03) {
      EXPECT_LE(count, within(3.4 * bound) + few) << bound;
    }
    if (bound <= absl::ToDoubleSeconds(kSlowStep)) {
      EXPECT_LE(count, static_cast<double>(steps.size()) - tally().slow_steps) << bound;
    }
  }
  double sum = 0;
  for (const absl::Duration step : steps) sum += absl::ToDoubleSeconds(step);
  const double service_sum =
      Value("holdfast_rpc_duration_seconds_sum{method=\"Step\"}").value_or(0);
  EXPECT_LE(service_sum, 1.02 * sum);
  EXPECT_GE(service_sum, tally().slow_steps * absl::ToDoubleSeconds(kSlowStep));
}

TEST_F(PrometheusTest, RulesAreEvaluatedAndNoneFires) {
  std::set<std::string> selectors;
  const std::regex selector("(up|(holdfast|process|instance)[a-z0-9_:]+)(\\{[^}]*\\})?");
  for (const nlohmann::json& rule : prometheus().Rules()) {
    EXPECT_EQ(rule["health"], "ok") << rule;
    if (rule["type"] == "recording") {
      EXPECT_GT(Value(absl::StrCat("count(", rule["name"].get<std::string>(), ")")).value_or(0), 0)
          << rule;
    }
    const std::string query = rule["query"];
    for (std::sregex_iterator match(query.begin(), query.end(), selector), none; match != none;
         ++match) {
      selectors.insert((*match)[0]);
    }
  }
  // No alert waits for something that there is not.
  EXPECT_GT(selectors.size(), 30u);
  for (const std::string& one : selectors) {
    EXPECT_GT(Value(absl::StrCat("count(", one, ")")).value_or(0), 0) << one;
  }
  // Workers that die are no emergency.
  EXPECT_THAT(prometheus().Query("ALERTS{alertstate=\"firing\"}", {"alertname"}), IsEmpty());
}

TEST_F(PrometheusTest, EveryQueryOfTheDashboardHasData) {
  const std::vector<DashboardQuery> queries = QueriesOf(LoadDashboard());
  EXPECT_GT(queries.size(), 40u);
  for (const DashboardQuery& query : queries) {
    const std::string expression =
        absl::StrReplaceAll(query.expression, {{"$instance", MetricsAddress(scene().service)},
                                               {"$__rate_interval", "10s"},
                                               {"$__range", "10m"}});
    EXPECT_EQ(expression.find('$'), std::string::npos) << expression;
    const nlohmann::json data = prometheus().Ask(
        "query_range", {{"query", expression},
                        {"start", absl::StrCat(absl::ToUnixSeconds(scene().begin))},
                        {"end", absl::StrCat(absl::ToUnixSeconds(absl::Now()))},
                        {"step", "2"}});
    bool has_number = false;
    for (const nlohmann::json& series : data["result"]) {
      for (const nlohmann::json& sample : series["values"]) {
        double value = 0;
        has_number = has_number || (absl::SimpleAtod(sample[1].get<std::string>(), &value) &&
                                    std::isfinite(value));
      }
    }
    EXPECT_TRUE(has_number) << query.panel << ": " << expression;
  }
}

// The whole way of an alert, with no load.
TEST(AlertTest, ServiceThatIsGoneIsTold) {
  const AlertmanagerProcess alertmanager;
  MisbehavingService service;
  const PrometheusProcess prometheus(
      {MetricsAddress(service), alertmanager.address(), /*is_hasty=*/true});
  EXPECT_TRUE(WaitUntil([&] { return prometheus.Value("up{job=\"holdfast\"}") == 1; }));
  EXPECT_TRUE(alertmanager.Get("/api/v2/alerts").empty());
  service.Signal(SIGKILL);
  EXPECT_EQ(service.Wait(), -SIGKILL);
  nlohmann::json alerts;
  EXPECT_TRUE(WaitUntil([&] {
    alerts = alertmanager.Get("/api/v2/alerts");
    return !alerts.empty();
  }));
  ASSERT_EQ(alerts.size(), 1u) << alerts;
  EXPECT_EQ(alerts[0]["labels"]["alertname"], "HoldfastDown");
  EXPECT_EQ(alerts[0]["labels"]["severity"], "critical");
  EXPECT_EQ(alerts[0]["annotations"]["runbook"], "deploy/README.md#holdfastdown");
  EXPECT_EQ(alerts[0]["receivers"][0]["name"], "operators");
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  absl::ParseCommandLine(argc, argv);
  return RUN_ALL_TESTS();
}
