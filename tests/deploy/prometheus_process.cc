#include "tests/deploy/prometheus_process.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/integration/misbehaving_service.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

// Fails the test if there is nothing to replace.
std::string Replace(const std::string& text, const std::string& what, const std::string& by) {
  EXPECT_TRUE(absl::StrContains(text, what)) << what << " is not in:\n" << text;
  return absl::StrReplaceAll(text, {{what, by}});
}

std::vector<std::string> ArgumentsOf(const std::string& program, std::vector<std::string> rest,
                                     const std::string& storage) {
  std::vector<std::string> arguments = {program, "--web.listen-address=127.0.0.1:0", storage};
  arguments.insert(arguments.end(), rest.begin(), rest.end());
  return arguments;
}

// Writes both files to `directory`. Returns the path of the first.
std::string WriteConfiguration(const PrometheusProcess::Options& options,
                               const TemporaryDirectory& directory) {
  std::string rules = Slurp(PrometheusFile("rules.yml"));
  if (options.is_hasty) rules = Replace(rules, "for: 1m\n", "for: 1s\n");
  WriteText(directory / "rules.yml", rules);
  std::string text = Slurp(PrometheusFile("prometheus.yml"));
  text = Replace(text, "interval: 15s", "interval: 1s");
  text = Replace(text, "holdfast:9464", options.target);
  text = Replace(text, "\"alertmanager:9093\"",
                 options.alertmanager.empty() ? "" : options.alertmanager);
  WriteText(directory / "prometheus.yml", text);
  return directory / "prometheus.yml";
}

}  // namespace

std::string PrometheusFile(const std::string& name) {
  return RunfilePath(absl::StrCat("deploy/prometheus/", name));
}

MonitoringProgram::MonitoringProgram(const std::string& program, const std::string& storage_flag,
                                     std::vector<std::string> arguments)
    : program_(ArgumentsOf(program, std::move(arguments),
                           absl::StrCat(storage_flag, "=", data_.path()))) {
  const std::string before = "msg=\"Listening on\" address=";
  EXPECT_TRUE(WaitUntil([&] {
    const std::string log = program_.err();
    const size_t begin = log.find(before);
    const size_t end = log.find('\n', begin);
    if (begin == std::string::npos || end == std::string::npos) return false;
    address_ = log.substr(begin + before.size(), end - begin - before.size());
    return true;
  })) << program_.err();
}

nlohmann::json MonitoringProgram::Get(const std::string& path, const Parameters& parameters) const {
  std::vector<std::string> command = {"curl",       "--silent", "--show-error",
                                      "--max-time", "60",       "--get"};
  for (const auto& [name, value] : parameters) {
    command.insert(command.end(), {"--data-urlencode", absl::StrCat(name, "=", value)});
  }
  command.push_back(absl::StrCat("http://", address_, path));
  const ProgramResult result = RunProgram(command);
  nlohmann::json answer = nlohmann::json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  if (result.exit == 0 && !answer.is_discarded()) return answer;
  ADD_FAILURE() << path << ": " << result.err << result.out;
  return nullptr;
}

PrometheusProcess::PrometheusProcess(const Options& options)
    : program_("prometheus", "--storage.tsdb.path",
               {absl::StrCat("--config.file=", WriteConfiguration(options, configuration_))}) {
  // Until then the API answers that the service is unavailable.
  EXPECT_TRUE(WaitUntil([&] {
    return RunProgram({"curl", "--silent", "--fail",
                       absl::StrCat("http://", program_.address(), "/-/ready")})
               .exit == 0;
  }));
}

nlohmann::json PrometheusProcess::Ask(const std::string& endpoint,
                                      const MonitoringProgram::Parameters& parameters) const {
  nlohmann::json answer = program_.Get(absl::StrCat("/api/v1/", endpoint), parameters);
  if (answer.value("status", "") == "success") return answer["data"];
  ADD_FAILURE() << endpoint << ": " << answer;
  return nullptr;
}

std::vector<nlohmann::json> PrometheusProcess::Rules() const {
  std::vector<nlohmann::json> rules;
  const nlohmann::json data = Ask("rules");
  if (data.is_null()) return rules;
  for (const nlohmann::json& group : data["groups"]) {
    rules.insert(rules.end(), group["rules"].begin(), group["rules"].end());
  }
  return rules;
}

PrometheusProcess::Samples PrometheusProcess::Query(const std::string& query,
                                                    const std::vector<std::string>& labels) const {
  Samples samples;
  const nlohmann::json data = Ask("query", {{"query", query}});
  if (data.is_null()) return samples;
  for (const nlohmann::json& sample : data["result"]) {
    std::vector<std::string> key;
    for (const std::string& label : labels) key.push_back(sample["metric"].value(label, ""));
    double value = std::numeric_limits<double>::quiet_NaN();
    EXPECT_TRUE(absl::SimpleAtod(sample["value"][1].get<std::string>(), &value)) << sample;
    EXPECT_TRUE(samples.emplace(key, value).second) << query << " needs more labels: " << sample;
  }
  return samples;
}

absl::optional<double> PrometheusProcess::Value(const std::string& query) const {
  const nlohmann::json data = Ask("query", {{"query", query}});
  if (data.is_null() || data["result"].size() != 1) return absl::nullopt;
  double value = 0;
  if (!absl::SimpleAtod(data["result"][0]["value"][1].get<std::string>(), &value)) {
    return absl::nullopt;
  }
  return value;
}

AlertmanagerProcess::AlertmanagerProcess()
    : MonitoringProgram("prometheus-alertmanager", "--storage.path",
                        {absl::StrCat("--config.file=", PrometheusFile("alertmanager.yml")),
                         "--cluster.listen-address="}) {}

}  // namespace holdfast
