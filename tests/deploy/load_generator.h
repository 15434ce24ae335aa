// A load on a service whose workers crash and are killed meanwhile, and its clients' own account of
// what happened.
#ifndef HOLDFAST_TESTS_DEPLOY_LOAD_GENERATOR_H_
#define HOLDFAST_TESTS_DEPLOY_LOAD_GENERATOR_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "tests/integration/misbehaving_service.h"

namespace holdfast {

// What clients know without asking the service for its metrics.
struct Tally {
  // Of a session whose worker had died.
  struct Recovery {
    absl::Time begun;  // It did not before,
    absl::Time done;   // and had ended then.
  };

  std::map<std::pair<std::string, std::string>, int64_t> calls;  // By method and status code.
  std::vector<absl::Duration> steps;                             // How long each Step took.
  int64_t slow_steps = 0;                                        // Of these, at least kSlowStep.
  int64_t refused_steps = 0;
  int64_t sessions = 0;                     // Ended while they had a worker.
  std::map<std::string, int64_t> failures;  // Of workers that held a session, by cause.
  std::vector<Recovery> recoveries;
  int64_t kills = 0;  // Among the failures.

  int64_t CallsOf(const std::string& method) const;
  void Add(const Tally& other);
};

constexpr absl::Duration kSlowStep = absl::Milliseconds(100);

struct LoadOptions {
  int clients = 4;  // One session each, at any time.
  // More, if not all disturbances have come by then.
  absl::Duration duration = absl::Seconds(60);
  // Of workers, by SIGKILL: half of them between two steps, half of them in a step. Steps that
  // crash by themselves come between them, one for two kills.
  int kills = 30;
};

// Fails the test where a call does not end as it should, or a session is not what it should be. All
// sessions are ended at the end.
Tally RunLoad(MisbehavingService* service, const LoadOptions& options);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_DEPLOY_LOAD_GENERATOR_H_
