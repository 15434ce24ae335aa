// What front, spawner and workers take: memory, threads and descriptors, with workers that are idle
// and with a session on each, which has taken one step. Of several workers: memory on average,
// threads and descriptors at most.
//
//   bazel run //tests/bench:memory_benchmark -- [--json=FILE] [--smoke]
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/bench_service.h"
#include "tests/bench/figures.h"
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

// Of 64 CPUs, or so it seems.
void TellLargeMachine(const BenchWorker& worker) {
  const LoneWorker alone(worker.binary,
                         {"", {"LD_PRELOAD=" + RunfilePath("tests/integration/libmany_cpus.so")}});
  BenchClient client(alone.address(), worker);
  client.Start();
  Tell(absl::StrCat("one ", worker.name, " worker with a session, 64 CPUs, threads"),
       MeasureMemory({alone.pid()}).threads, "", kMaxThreads);
}

int Run() {
  if (absl::GetFlag(FLAGS_smoke)) {
    for (const BenchWorker& worker : BenchWorkers()) TellService(worker, 2);
  } else {
    for (const int workers : {10, 100, 500}) TellService(ExampleWorker(), workers);
    for (const int workers : {10, 50, 100}) TellService(LlvmWorker(), workers);
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
