#include <signal.h>

#include <algorithm>
#include <vector>

#include "tests/bench/bench_service.h"
#include "tests/bench/figures.h"
#include "tests/bench/start_figures.h"

namespace holdfast {

void TellRecoveries(int rounds) {
  const BenchWorker& worker = ExampleWorker();
  const ServiceProcess service(worker.binary, {"--warm_workers=1"});
  BenchClient client(service.address(), worker);
  WaitForIdle(service, 1);
  pid_t holder = service.workers().front();
  client.Start();
  std::vector<double> took;
  for (int i = 0; i < rounds; ++i) {
    WaitForIdle(service, 1);
    const std::vector<pid_t> workers = service.workers();
    const auto spare = std::find_if(workers.begin(), workers.end(),
                                    [holder](pid_t worker) { return worker != holder; });
    client.Step();
    kill(holder, SIGKILL);
    took.push_back(Milliseconds([&] { client.Step(); }));
    holder = *spare;
  }
  TellSpread("example session, kill -9 of its worker, then a step", std::move(took), "ms",
             Target{Target::kAtMost, 3});
}

}  // namespace holdfast
