#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/bench/bench_service.h"
#include "tests/bench/figures.h"
#include "tests/bench/start_figures.h"
#include "tests/integration/running_program.h"

namespace holdfast {
namespace {

constexpr int kStepsOfASession = 20;

struct Latencies {
  std::vector<double> starts;
  std::vector<double> steps;

  void Measure(BenchClient* client) {
    starts.push_back(Milliseconds([&] { client->Start(); }));
    for (int i = 0; i < kStepsOfASession; ++i) {
      steps.push_back(Milliseconds([&] { client->Step(); }));
    }
    client->End();
  }
};

void TellSessionStarts(const BenchWorker& worker, int rounds) {
  const ServiceProcess service(worker.binary, {"--warm_workers=1", "--max_workers=2"});
  BenchClient client(service.address(), worker);
  Latencies direct;
  Latencies through;
  for (int i = 0; i < rounds; ++i) {
    {
      const LoneWorker alone(worker.binary);  // Fresh: a first session costs more than others.
      BenchClient direct_client(alone.address(), worker);
      direct.Measure(&direct_client);
    }
    WaitForIdle(service, 1);
    through.Measure(&client);
  }
  const std::string name = absl::StrCat(worker.name, " session, ");
  const double hops = Quantile(through.steps, 0.5) - Quantile(direct.steps, 0.5);
  const double added = Quantile(through.starts, 0.5) - Quantile(direct.starts, 0.5);
  TellSpread(name + "StartSession of a lone worker", std::move(direct.starts), "ms");
  TellSpread(name + "StartSession with a warm worker", std::move(through.starts), "ms");
  Tell(name + "added by the front to a step, p50", hops, "ms");
  // With a worker that waits, nothing but the hops should come to the session's own start.
  Tell(name + "added by the front to StartSession, p50", added, "ms",
       Target{Target::kAtMost, hops});
}

double SessionsPerSecond(const BenchWorker& worker, const std::string& reuse, int clients,
                         absl::Duration duration) {
  const ServiceProcess service(worker.binary, {reuse});
  std::atomic<int64_t> sessions{0};
  const absl::Time begin = absl::Now();
  std::vector<std::thread> threads;
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&] {
      BenchClient client(service.address(), worker);
      do {  // At least once, however short the time and busy the machine.
        client.Start();
        client.End();
        ++sessions;
      } while (absl::Now() < begin + duration);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(sessions) / absl::ToDoubleSeconds(absl::Now() - begin);
}

}  // namespace

void TellSessionStarts(int rounds) {
  for (const BenchWorker& worker : BenchWorkers()) TellSessionStarts(worker, rounds);
}

void TellSessionRates(int clients, absl::Duration duration) {
  for (const BenchWorker& worker : BenchWorkers()) {
    const bool has_target = worker.name == ExampleWorker().name;
    const auto tell = [&](const char* figure, const char* reuse, double target) {
      Tell(absl::StrCat(worker.name, " sessions, start and end, ", clients, " clients, ", figure),
           SessionsPerSecond(worker, reuse, clients, duration), "/s",
           has_target ? absl::make_optional(Target{Target::kAtLeast, target}) : absl::nullopt);
    };
    tell("fresh processes", "--worker_reuse=1", 300);
    tell("reuse", "--worker_reuse=1000000", 3000);
  }
}

}  // namespace holdfast
