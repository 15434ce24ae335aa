// The files in deploy/prometheus/, by themselves: the tools that know their formats accept them,
// and they fit each other and the runbook.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/deploy/dashboard.h"
#include "tests/deploy/prometheus_process.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using testing::AnyOf;

// Expects the command to succeed.
void Check(const std::vector<std::string>& command) {
  const ProgramResult result = RunProgram(command);
  EXPECT_EQ(result.exit, 0) << result.out << result.err;
}

// The alerts, by name, as Prometheus has parsed them.
const std::map<std::string, nlohmann::json>& Alerts() {
  static const auto* const kAlerts = [] {
    auto* alerts = new std::map<std::string, nlohmann::json>;
    // Nothing is scraped: the port of discard.
    const PrometheusProcess prometheus({"127.0.0.1:9", /*alertmanager=*/"", /*is_hasty=*/false});
    for (nlohmann::json& rule : prometheus.Rules()) {
      if (rule["type"] != "alerting") continue;
      const std::string name = rule["name"];
      EXPECT_TRUE(alerts->emplace(name, std::move(rule)).second) << name << " is there twice";
    }
    return alerts;
  }();
  return *kAlerts;
}

std::set<std::string> AlertNames() {
  std::set<std::string> names;
  for (const auto& [name, rule] : Alerts()) names.insert(name);
  return names;
}

TEST(ToolsTest, PromtoolAcceptsTheConfiguration) {
  Check({"promtool", "check", "config", PrometheusFile("prometheus.yml")});
}

TEST(ToolsTest, PromtoolAcceptsTheRules) {
  Check({"promtool", "check", "rules", PrometheusFile("rules.yml")});
}

TEST(ToolsTest, AlertsFireWhenTheyShouldAndNotElse) {
  Check({"promtool", "test", "rules", PrometheusFile("rules_test.yml")});
}

TEST(ToolsTest, AmtoolAcceptsTheConfiguration) {
  Check({"amtool", "check-config", PrometheusFile("alertmanager.yml")});
}

TEST(AlertsTest, SayWhatIsWrongAndWhereToRead) {
  EXPECT_GT(Alerts().size(), 15u);
  for (const auto& [name, rule] : Alerts()) {
    const nlohmann::json& annotations = rule["annotations"];
    EXPECT_FALSE(annotations.value("summary", "").empty()) << name;
    EXPECT_FALSE(annotations.value("description", "").empty()) << name;
    EXPECT_EQ(annotations.value("runbook", ""),
              absl::StrCat("deploy/README.md#", absl::AsciiStrToLower(name)));
    EXPECT_THAT(rule["labels"].value("severity", ""), AnyOf("critical", "warning", "info")) << name;
  }
}

TEST(AlertsTest, EachHasItsPlaceInTheRunbook) {
  std::set<std::string> headings;
  bool is_in_section = false;
  for (absl::string_view line : absl::StrSplit(Slurp(RunfilePath("deploy/README.md")), '\n')) {
    if (absl::StartsWith(line, "## ")) is_in_section = line == "## Alerts";
    if (is_in_section && absl::ConsumePrefix(&line, "### ")) headings.insert(std::string(line));
  }
  EXPECT_EQ(headings, AlertNames());
}

TEST(AlertsTest, EachIsTestedBothWays) {
  std::set<std::string> firing;
  std::set<std::string> quiet;
  std::string name;
  for (absl::string_view line : absl::StrSplit(Slurp(PrometheusFile("rules_test.yml")), '\n')) {
    const std::string text(line);
    std::smatch match;
    if (std::regex_search(text, match, std::regex("alertname: (\\w+)"))) name = match[1];
    if (absl::StrContains(text, "exp_alerts: []")) quiet.insert(name);
    if (absl::StrContains(text, "exp_labels:")) firing.insert(name);
  }
  EXPECT_EQ(firing, AlertNames());
  EXPECT_EQ(quiet, AlertNames());
}

TEST(DashboardTest, PanelsAreWhereTheyCanBeSeen) {
  const nlohmann::json dashboard = LoadDashboard();
  EXPECT_GE(dashboard["schemaVersion"], 36) << "Grafana 10 and later";
  std::set<int> ids;
  std::vector<std::string> rows;
  std::set<std::pair<int, int>> taken;  // Columns and lines of the grid.
  for (const nlohmann::json& panel : dashboard["panels"]) {
    const std::string title = panel["title"];
    EXPECT_TRUE(ids.insert(panel["id"].get<int>()).second) << title;
    if (panel["type"] == "row") rows.push_back(title);
    const nlohmann::json& place = panel["gridPos"];
    const int left = place["x"];
    const int top = place["y"];
    EXPECT_LE(left + place["w"].get<int>(), 24) << title;
    for (int x = left; x < left + place["w"].get<int>(); ++x) {
      for (int y = top; y < top + place["h"].get<int>(); ++y) {
        EXPECT_TRUE(taken.insert({x, y}).second) << title << " covers another panel";
      }
    }
  }
  EXPECT_THAT(rows, testing::ElementsAre("Traffic", "Latency", "Sessions", "Workers",
                                         "Failures and recoveries", "Memory budgets", "Process"));
}

TEST(DashboardTest, QueriesGoByTheVariables) {
  const nlohmann::json dashboard = LoadDashboard();
  std::set<std::string> variables;
  for (const nlohmann::json& variable : dashboard["templating"]["list"]) {
    variables.insert(variable["name"].get<std::string>());
  }
  EXPECT_EQ(variables, (std::set<std::string>{"datasource", "instance"}));
  for (const nlohmann::json& panel : dashboard["panels"]) {
    if (panel["type"] == "row") continue;
    EXPECT_EQ(panel["datasource"]["uid"], "${datasource}") << panel["title"];
    for (const nlohmann::json& target : panel["targets"]) {
      EXPECT_EQ(target["datasource"]["uid"], "${datasource}") << panel["title"];
    }
  }
  for (const DashboardQuery& query : QueriesOf(dashboard)) {
    EXPECT_THAT(query.expression, testing::HasSubstr("instance=~\"$instance\"")) << query.panel;
  }
}

}  // namespace
}  // namespace holdfast
