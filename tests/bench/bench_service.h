// A service, and sessions of it, as the benchmarks of starts and of memory use them.
#ifndef HOLDFAST_TESTS_BENCH_BENCH_SERVICE_H_
#define HOLDFAST_TESTS_BENCH_BENCH_SERVICE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "proto/compiler_gym_service.grpc.pb.h"
#include "tests/integration/service_process.h"

namespace holdfast {

// A worker to measure, with a program for it that takes no time.
struct BenchWorker {
  std::string name;
  std::string binary;  // Path in the workspace.
  std::string program;
};
const std::vector<BenchWorker>& BenchWorkers();
const BenchWorker& ExampleWorker();
const BenchWorker& LlvmWorker();

constexpr char kBenchUri[] = "benchmark://bench-v0/program";

double Milliseconds(const std::function<void()>& work);

// A client with a connection of its own, of a service or of a lone worker. Calls end the program
// unless they return OK.
class BenchClient {
 public:
  // Sends the program.
  BenchClient(const std::string& address, const BenchWorker& worker);
  void Add(const std::string& uri, const std::string& program);
  void Start();
  void Step();
  void End();

 private:
  const std::unique_ptr<compiler_gym::CompilerGymService::Stub> stub_;
  int64_t session_ = 0;
};

// The value of a metric that is there.
double ReadMetric(const ServiceProcess& service, const std::string& series);
// Until so many workers are idle, and none is on its way to be or to end.
void WaitForIdle(const ServiceProcess& service, int idle);

// How long the start of a worker took of late, from the request to spawn it to its first answer, by
// the service's own account.
class StartClock {
 public:
  explicit StartClock(const ServiceProcess* service);
  // Waits for one start since the last call or the constructor; on average if there were more.
  double NextMilliseconds();

 private:
  const ServiceProcess* const service_;
  double starts_;
  double seconds_;
};

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_BENCH_BENCH_SERVICE_H_
