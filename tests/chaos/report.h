// What came of a chaos run.
#ifndef HOLDFAST_TESTS_CHAOS_REPORT_H_
#define HOLDFAST_TESTS_CHAOS_REPORT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/chaos/tally.h"

namespace holdfast::chaos {

struct Report {
  uint64_t seed = 0;
  std::map<std::string, int> delivered;            // Torments, by name.
  Tally tally;                                     // Of all clients.
  std::map<std::string, int64_t> worker_failures;  // By cause.
  std::map<std::string, int64_t> recoveries;       // By outcome.
  std::map<double, int64_t> recovery_duration;     // Cumulative, by upper bound in seconds.
  int64_t broken_invariants = 0;
  int sessions_left = 0;
  int sessions_compared = 0;
  int processes_left = 0;
  int scratch_left = 0;  // Directories of workers that are no more.
  std::vector<std::string> wrong_states;
  std::vector<std::string> faults;  // Of the services; those that clients met are in the tally.

  // Adds what a service's /metrics say.
  void AddMetrics(absl::string_view text);
  // Nothing was lost, wrong or left, and something has happened at all.
  bool IsGood() const;
  // For people; the last line is for programs.
  std::string Text() const;
};

// Processes that know of the directory, by their arguments or environment: those of a service whose
// directory it is, and whatever they have started, whoever their parent is now.
int CountProcessesOf(const std::string& directory);

}  // namespace holdfast::chaos

#endif  // HOLDFAST_TESTS_CHAOS_REPORT_H_
