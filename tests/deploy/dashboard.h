// The Grafana dashboard, as far as tests look at it.
#ifndef HOLDFAST_TESTS_DEPLOY_DASHBOARD_H_
#define HOLDFAST_TESTS_DEPLOY_DASHBOARD_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace holdfast {

struct DashboardQuery {
  std::string panel;       // Its title.
  std::string expression;  // With Grafana's variables in it.
};

// deploy/prometheus/dashboard.json. Null, and the test fails, if it is no JSON.
nlohmann::json LoadDashboard();
std::vector<DashboardQuery> QueriesOf(const nlohmann::json& dashboard);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_DEPLOY_DASHBOARD_H_
