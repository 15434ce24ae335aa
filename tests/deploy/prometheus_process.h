// Debian's Prometheus and Alertmanager, run with the configuration in deploy/prometheus/.
#ifndef HOLDFAST_TESTS_DEPLOY_PROMETHEUS_PROCESS_H_
#define HOLDFAST_TESTS_DEPLOY_PROMETHEUS_PROCESS_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/optional.h"
#include "tests/integration/running_program.h"

namespace holdfast {

// The path of a file in deploy/prometheus/.
std::string PrometheusFile(const std::string& name);

// The program, with `arguments` and a directory for its data, on any free port of 127.0.0.1.
class MonitoringProgram {
 public:
  // `storage_flag` names the directory.
  MonitoringProgram(const std::string& program, const std::string& storage_flag,
                    std::vector<std::string> arguments);

  // HOST:PORT, once it serves.
  const std::string& address() const { return address_; }
  // What its HTTP API answers to GET. Fails the test, and is null, if that is no JSON.
  using Parameters = std::vector<std::pair<std::string, std::string>>;
  nlohmann::json Get(const std::string& path, const Parameters& parameters = {}) const;

 private:
  TemporaryDirectory data_;
  RunningProgram program_;
  std::string address_;
};

// Scrapes and evaluates the rules each second, apart from which its configuration is
// prometheus.yml with all its rules.
class PrometheusProcess {
 public:
  struct Options {
    std::string target;        // HOST:PORT of /metrics.
    std::string alertmanager;  // HOST:PORT; empty: nobody is told.
    // Alerts that fire after a minute do so after a second.
    bool is_hasty = false;
  };
  explicit PrometheusProcess(const Options& options);

  // The `data` of an answer of the HTTP API, whose path is /api/v1/`endpoint`.
  nlohmann::json Ask(const std::string& endpoint,
                     const MonitoringProgram::Parameters& parameters = {}) const;

  // All rules of all groups, as the endpoint "rules" has them.
  std::vector<nlohmann::json> Rules() const;

  // An instant query: each sample's value, by what `labels` are in it.
  using Samples = std::map<std::vector<std::string>, double>;
  Samples Query(const std::string& query, const std::vector<std::string>& labels) const;
  // The value of the only sample; nullopt: there are none, or several.
  absl::optional<double> Value(const std::string& query) const;

 private:
  TemporaryDirectory configuration_;
  MonitoringProgram program_;
};

// With alertmanager.yml.
class AlertmanagerProcess : public MonitoringProgram {
 public:
  AlertmanagerProcess();
};

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_DEPLOY_PROMETHEUS_PROCESS_H_
