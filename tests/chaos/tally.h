// What has happened to one client, or to all.
#ifndef HOLDFAST_TESTS_CHAOS_TALLY_H_
#define HOLDFAST_TESTS_CHAOS_TALLY_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace holdfast::chaos {

struct Tally {
  std::map<std::string, int64_t> answers;    // "Step OK" and the like.
  std::vector<absl::Duration> step_latency;  // Of the steps that were answered OK.
  int64_t sessions_lost = 0;
  std::vector<std::string> faults;  // Answers that no session should get.

  void Add(const Tally& other) {
    for (const auto& answer : other.answers) answers[answer.first] += answer.second;
    step_latency.insert(step_latency.end(), other.step_latency.begin(), other.step_latency.end());
    sessions_lost += other.sessions_lost;
    faults.insert(faults.end(), other.faults.begin(), other.faults.end());
  }
};

}  // namespace holdfast::chaos

#endif  // HOLDFAST_TESTS_CHAOS_TALLY_H_
