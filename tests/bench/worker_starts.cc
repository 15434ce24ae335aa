#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/unique_fd.h"
#include "tests/bench/bench_service.h"
#include "tests/bench/figures.h"
#include "tests/bench/start_figures.h"

namespace holdfast {
namespace {

Target TargetOf(const BenchWorker& worker) {
  return {Target::kAtMost, worker.name == LlvmWorker().name ? 10.0 : 6.0};
}

void DropFromPageCache(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  fsync(file.get());  // What is not on disk yet is not dropped.
  posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
}

std::vector<double> WarmStarts(const BenchWorker& worker, int rounds) {
  const ServiceProcess service(worker.binary, {"--warm_workers=1", "--max_workers=2"});
  BenchClient client(service.address(), worker);
  std::vector<double> took;
  for (int i = 0; i < rounds; ++i) {
    WaitForIdle(service, 1);
    StartClock clock(&service);
    client.Start();  // Takes the idle worker: another is started.
    took.push_back(clock.NextMilliseconds());
    client.End();
  }
  return took;
}

// Each of a fresh service with a front of another binary.
std::vector<double> ColdStarts(const BenchWorker& worker, int rounds) {
  const std::string binary = RunfilePath(worker.binary);
  std::vector<double> took;
  for (int i = 0; i < rounds; ++i) {
    DropFromPageCache(binary);
    const ServiceProcess service("frontend/holdfast",
                                 {absl::StrCat("--worker=", binary), "--warm_workers=1"});
    WaitForIdle(service, 1);
    took.push_back(1e3 * ReadMetric(service, "holdfast_worker_start_duration_seconds_sum"));
  }
  return took;
}

}  // namespace

void TellWorkerStarts(int rounds, int cold_rounds) {
  for (const BenchWorker& worker : BenchWorkers()) {
    TellSpread(absl::StrCat(worker.name, " worker, spawn to first answer, warm"),
               WarmStarts(worker, rounds), "ms", TargetOf(worker));
    Tell(absl::StrCat(worker.name, " worker, spawn to first answer, cold binary, p50"),
         Quantile(ColdStarts(worker, cold_rounds), 0.5), "ms");
  }
}

}  // namespace holdfast
