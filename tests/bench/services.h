// The ways to have an operation done: Holdfast, and what it is compared with. Each is served by
// child processes of this one.
#ifndef HOLDFAST_TESTS_BENCH_SERVICES_H_
#define HOLDFAST_TESTS_BENCH_SERVICES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/bench/workload.h"

namespace holdfast {

// What processes have used so far.
struct CpuTime {
  absl::Duration front;   // With the spawner, which only Holdfast has.
  absl::Duration worker;  // All that do the work.
};

// Processes that run for as long as this object lives.
class Service {
 public:
  virtual ~Service() = default;
  virtual CpuTime cpu_time() const = 0;
};

struct Way {
  std::string name;
  std::unique_ptr<Service> service;
  std::vector<std::unique_ptr<Client>> clients;  // Each with a connection of its own.
};

// A whole service, with as many workers as it needs.
Way StartHoldfast(const Operation& operation, const Load& load);
// A worker for each session, with nothing in between.
Way StartDirectWorkers(const Operation& operation, const Load& load);
// One process, with nothing between sessions.
Way StartInProcessService(const Operation& operation, const Load& load);
// A process for each client that answers as many bytes, on a Unix socket and without gRPC.
Way StartPingPong(const std::vector<Exchange>& exchanges, const Load& load);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_BENCH_SERVICES_H_
