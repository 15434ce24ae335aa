// What front, spawner and workers take: memory, threads and descriptors, with workers that are idle
// and with a session on each, which has taken one step. Of several workers: memory on average,
// threads and descriptors at most. These two also on a machine of 64 CPUs, or so it seems.
//
//   bazel run //tests/bench:memory_benchmark -- [--json=FILE] [--smoke]
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/bench_service.h"
#include "tests/bench/figures.h"
#include "tests/bench/many_cpus.h"
#include "tests/bench/process_memory.h"
#include "tests/integration/running_program.h"

ABSL_FLAG(bool, smoke, false, "Only see whether it works, in some seconds.");

namespace holdfast {
namespace {

constexpr Target kMaxPss = {Target::kAtMost, 4};
constexpr int kWorkersOfMaxPss = 50;
constexpr Target kMaxThreads = {Target::kAtMost, 10};

void TellProcess(const std::string& process, const ProcessMemory& memory,
                 absl::optional<Target> pss = absl::nullopt,
                 absl::optional<Target> threads = absl::nullopt) {
  Tell(process + ", RSS", memory.rss_mb, "MB");
  Tell(process + ", PSS", memory.pss_mb, "MB", pss);
  Tell(process + ", private", memory.private_mb, "MB");
  Tell(process + ", threads", memory.threads, "", threads);
  Tell(process + ", descriptors", memory.descriptors, "");
}

void TellAll(const ServiceProcess& service, const std::string& workers,
             absl::optional<Target> pss = absl::nullopt) {
  TellProcess(absl::StrCat("front of ", workers), MeasureMemory({service.pid()}));
  TellProcess(absl::StrCat("spawner of ", workers), MeasureMemory({service.spawner()}));
  TellProcess(absl::StrCat("each of ", workers), MeasureMemory(service.workers()), pss,
              kMaxThreads);
}

void TellService(const BenchWorker& worker, int workers) {
  const ServiceProcess service(worker.binary, {absl::StrCat("--warm_workers=", workers),
                                               absl::StrCat("--max_workers=", workers)});
  WaitForIdle(service, workers);
  const bool has_target = worker.name == LlvmWorker().name && workers == kWorkersOfMaxPss;
  const std::string name = absl::StrCat(workers, " ", worker.name, " workers, ");
  TellAll(service, name + "idle", has_target ? absl::make_optional(kMaxPss) : absl::nullopt);
  std::vector<std::unique_ptr<BenchClient>> clients;
  for (int i = 0; i < workers; ++i) {
    clients.push_back(std::make_unique<BenchClient>(service.address(), worker));
    clients.back()->Start();
    clients.back()->Step();
  }
  TellAll(service, name + "with sessions");
}

// Of the worker with a session.
void TellLargeMachine(const std::string& process, const std::string& address,
                      const std::function<pid_t()>& pid_of, const BenchWorker& worker) {
  BenchClient client(address, worker);
  client.Start();
  const ProcessMemory memory = MeasureMemory({pid_of()});
  Tell(process + " with a session, 64 CPUs, threads", memory.threads, "", kMaxThreads);
  Tell(process + " with a session, 64 CPUs, descriptors", memory.descriptors, "");
}

// A worker that serves an address, and one whose only connection is to its front, have not the same
// threads.
void TellLargeMachine(const BenchWorker& worker) {
  const LoneWorker alone(worker.binary, {"", {ManyCpusVariable()}});
  TellLargeMachine(
      absl::StrCat("lone ", worker.name, " worker"), alone.address(), [&] { return alone.pid(); },
      worker);
  const ManyCpusWorker script(worker.binary);
  const ServiceProcess service(
      "frontend/holdfast", {"--worker=" + script.path(), "--warm_workers=1", "--max_workers=1"});
  TellLargeMachine(
      absl::StrCat(worker.name, " worker of a front,"), service.address(),
      [&] { return service.workers().at(0); }, worker);
}

int Run() {
  if (absl::GetFlag(FLAGS_smoke)) {
    for (const BenchWorker& worker : BenchWorkers()) TellService(worker, 2);
  } else {
    for (const int workers : {10, 100, 500}) TellService(ExampleWorker(), workers);
    for (const int workers : {10, 50, 100, 500}) TellService(LlvmWorker(), workers);
  }
  for (const BenchWorker& worker : BenchWorkers()) TellLargeMachine(worker);
  return testing::UnitTest::GetInstance()->Passed() ? 0 : 1;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return holdfast::Run();
}
