#include "tests/deploy/dashboard.h"

#include <gtest/gtest.h>

#include "tests/deploy/prometheus_process.h"
#include "tests/integration/running_program.h"

namespace holdfast {

nlohmann::json LoadDashboard() {
  nlohmann::json dashboard = nlohmann::json::parse(Slurp(PrometheusFile("dashboard.json")), nullptr,
                                                   /*allow_exceptions=*/false);
  EXPECT_TRUE(dashboard.is_object());
  return dashboard.is_object() ? dashboard : nullptr;
}

std::vector<DashboardQuery> QueriesOf(const nlohmann::json& dashboard) {
  std::vector<DashboardQuery> queries;
  for (const nlohmann::json& panel : dashboard.value("panels", nlohmann::json::array())) {
    for (const nlohmann::json& target : panel.value("targets", nlohmann::json::array())) {
      queries.push_back({panel.value("title", ""), target.value("expr", "")});
    }
  }
  return queries;
}

}  // namespace holdfast
