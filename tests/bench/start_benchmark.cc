// What it costs to start workers and sessions, and to replace a worker that was killed. Example and
// LLVM workers, on programs that take no time.
//
//   bazel run //tests/bench:start_benchmark -- [--json=FILE] [--parts=workers,rates] [--rounds=50]
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "tests/bench/start_figures.h"

ABSL_FLAG(std::vector<std::string>, parts,
          (std::vector<std::string>{"workers", "sessions", "rates", "recoveries", "full_front"}),
          "What to measure.");
ABSL_FLAG(int, rounds, 200, "How often each is measured.");
ABSL_FLAG(int, clients, 8, "Clients that start and end sessions at the same time.");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(10), "How long they do.");
ABSL_FLAG(int64_t, full_bytes, int64_t{4} << 30, "What the full front holds.");
ABSL_FLAG(bool, smoke, false, "Only see whether it works, in some seconds.");

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const bool smoke = absl::GetFlag(FLAGS_smoke);
  const int rounds = smoke ? 2 : absl::GetFlag(FLAGS_rounds);
  const std::vector<std::pair<std::string, std::function<void()>>> parts = {
      {"workers",
       [&] { holdfast::TellWorkerStarts(rounds, /*cold_rounds=*/std::max(1, rounds / 20)); }},
      {"sessions", [&] { holdfast::TellSessionStarts(rounds); }},
      {"rates",
       [&] {
         holdfast::TellSessionRates(
             absl::GetFlag(FLAGS_clients),
             smoke ? absl::Milliseconds(100) : absl::GetFlag(FLAGS_duration));
       }},
      {"recoveries", [&] { holdfast::TellRecoveries(rounds); }},
      {"full_front",
       [&] {
         holdfast::TellFullFront(rounds,
                                 smoke ? int64_t{64} << 20 : absl::GetFlag(FLAGS_full_bytes));
       }},
  };
  const std::vector<std::string> wanted = absl::GetFlag(FLAGS_parts);
  for (const auto& [name, tell] : parts) {
    if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) tell();
  }
  // What is left behind, say.
  return testing::UnitTest::GetInstance()->Passed() ? 0 : 1;
}
