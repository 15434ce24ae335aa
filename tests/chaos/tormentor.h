// Does to workers what compilers, kernels and operators do, at random moments.
#ifndef HOLDFAST_TESTS_CHAOS_TORMENTOR_H_
#define HOLDFAST_TESTS_CHAOS_TORMENTOR_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "tests/integration/service_process.h"

namespace holdfast::chaos {

struct Torment {
  const char* name;
  int weight;  // How often, compared with the others.
  bool hits_spawner;
  // Returns whether it was delivered. `pidfd` and `pid` are the victim's.
  bool (*inflict)(int pidfd, pid_t pid, uint64_t random);
};

// Those of that name; InvalidArgument names one that does not exist, and all that do.
absl::StatusOr<std::vector<Torment>> TormentsByName(const std::vector<std::string>& names);

// Runs on one thread.
class Tormentor {
 public:
  // `per_second`: how many torments, on average; more than 0.
  Tormentor(std::vector<const ServiceProcess*> services, std::vector<Torment> torments,
            double per_second, uint64_t seed);

  void Run(const absl::Notification& over);

  // How often each torment was delivered.
  const std::map<std::string, int>& delivered() const { return delivered_; }

 private:
  void Inflict();

  const std::vector<const ServiceProcess*> services_;
  const std::vector<Torment> torments_;
  const double per_second_;
  std::mt19937_64 random_;
  std::map<std::string, int> delivered_;
};

// SIGKILL to all workers of the service, so that all that is left of its sessions is their records.
void KillAllWorkers(const ServiceProcess& service);

}  // namespace holdfast::chaos

#endif  // HOLDFAST_TESTS_CHAOS_TORMENTOR_H_
