#include "tests/bench/figures.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

ABSL_FLAG(std::string, json, "", "A file to add the figures to, one JSON object a line.");

namespace holdfast {
namespace {

const char* NameOf(Target::Kind kind) { return kind == Target::kAtMost ? "at most" : "at least"; }

void AddToJson(const std::string& path, absl::string_view figure, double value,
               absl::string_view unit, absl::optional<Target> target) {
  std::ofstream file(path, std::ios::app);
  file << absl::StrFormat(R"({"figure": "%s", "value": %.6g, "unit": "%s")", figure, value, unit);
  if (target) {
    file << absl::StrFormat(R"(, "target": %.6g, "kind": "%s")", target->value,
                            NameOf(target->kind));
  }
  file << "}" << std::endl;
  if (file) return;
  std::cerr << "ERROR: cannot write to " << path << std::endl;
  exit(1);
}

}  // namespace

void Tell(absl::string_view figure, double value, absl::string_view unit,
          absl::optional<Target> target) {
  const std::string json = absl::GetFlag(FLAGS_json);
  if (!json.empty()) AddToJson(json, figure, value, unit, target);
  std::cout << absl::StrFormat("%-62s %10.4g %s", figure, value, unit);
  if (target) {
    const bool is_limit = target->kind == Target::kAtMost;
    const bool is_met = is_limit ? value <= target->value : value >= target->value;
    std::cout << absl::StrFormat("  (%s %.4g: %s)", NameOf(target->kind), target->value,
                                 is_met ? "met" : "MISSED");
  }
  std::cout << std::endl;
}

void TellSpread(absl::string_view figure, std::vector<double> values, absl::string_view unit,
                absl::optional<Target> target) {
  Tell(absl::StrCat(figure, ", p50"), Quantile(values, 0.5), unit, target);
  Tell(absl::StrCat(figure, ", p99"), Quantile(values, 0.99), unit);
  Tell(absl::StrCat(figure, ", max"), Quantile(std::move(values), 1), unit);
}

double Quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

}  // namespace holdfast
