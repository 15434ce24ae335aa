// What each observation of the LLVM worker costs, through the whole service, on programs of three
// sizes: at first, and when the session knows what it asked for already (the median of the rounds).
// What an empty step costs is in it, and printed first.
//
//   bazel run //tests/bench:observation_benchmark [-- --functions=6,250,2345]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/bench/large_program.h"
#include "tests/integration/service_process.h"

ABSL_FLAG(std::vector<std::string>, functions, (std::vector<std::string>{"6", "250", "2345"}),
          "Functions of each program, of 113 instructions each.");
ABSL_FLAG(int, rounds, 5, "How often each observation is asked for again. At least 1.");

namespace holdfast {
namespace {

constexpr absl::Duration kDeadline = absl::Minutes(4);
constexpr size_t kMaxReason = 60;

// How one observation went on one program.
struct Cost {
  double first = 0;  // Seconds.
  double again = 0;
  std::string error;

  std::string Text() const {
    char text[64];
    std::snprintf(text, sizeof(text), "%10.2f %10.2f", 1e3 * first, 1e3 * again);
    return error.empty() ? text : absl::StrCat(std::string(15, ' '), "failed");
  }
};

Cost CostOf(TestSession* session, const std::vector<int>& observations) {
  Cost cost;
  std::vector<double> again;
  for (int i = -1; i < absl::GetFlag(FLAGS_rounds) && cost.error.empty(); ++i) {
    compiler_gym::StepReply reply;
    const absl::Time start = absl::Now();
    const grpc::Status status = session->Step({}, observations, &reply, kDeadline);
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    if (!status.ok()) cost.error = status.error_message().substr(0, kMaxReason);
    if (i < 0) {
      cost.first = seconds;
    } else {
      again.push_back(seconds);
    }
  }
  std::sort(again.begin(), again.end());
  if (!again.empty()) cost.again = again[again.size() / 2];
  return cost;
}

int Run() {
  const ServiceProcess service("worker/llvm/llvm_worker");
  const auto stub = service.NewClient();
  compiler_gym::GetSpacesReply spaces;
  grpc::ClientContext context;
  if (!stub->GetSpaces(&context, {}, &spaces).ok()) return 1;
  std::vector<std::pair<std::string, std::vector<int>>> rows = {{"(an empty step)", {}}};
  for (const auto& space : spaces.observation_space_list()) {
    rows.push_back({space.name(), {static_cast<int>(rows.size()) - 1}});
  }
  std::vector<std::string> lines;
  std::vector<std::string> errors;
  for (const auto& [name, observations] : rows) {
    char text[64];
    std::snprintf(text, sizeof(text), "%-24s", name.c_str());
    lines.emplace_back(text);
  }
  std::printf("%-24s", "ms, first and again");
  for (const std::string& text : absl::GetFlag(FLAGS_functions)) {
    int functions = 0;
    if (!absl::SimpleAtoi(text, &functions) || functions < 1) {
      std::cerr << "ERROR: --functions has '" << text << "', must be numbers >= 1" << std::endl;
      return 1;
    }
    TestSession session(service, absl::StrCat("benchmark://bench-v0/", functions),
                        LargeProgram(functions));
    for (size_t i = 0; i < rows.size(); ++i) {
      const Cost cost = CostOf(&session, rows[i].second);
      absl::StrAppend(&lines[i], " |", cost.Text());
      if (!cost.error.empty()) {
        errors.push_back(absl::StrCat(rows[i].first, ", ", functions, ": ", cost.error));
      }
    }
    std::printf(" |%7d functions   ", functions);
    session.End();
  }
  std::printf("\n");
  for (const std::string& line : lines) std::printf("%s\n", line.c_str());
  for (const std::string& error : errors) std::printf("%s\n", error.c_str());
  return 0;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return holdfast::Run();
}
