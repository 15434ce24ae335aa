#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/bench_service.h"
#include "tests/bench/figures.h"
#include "tests/bench/start_figures.h"

namespace holdfast {
namespace {

constexpr int64_t kProgramBytes = int64_t{32} << 20;

// A front, with one session that is stepped while workers are started for others.
class MeasuredFront {
 public:
  explicit MeasuredFront(int64_t bytes)
      : service_(ExampleWorker().binary, {"--warm_workers=1", "--max_workers=3",
                                          absl::StrCat("--benchmark_cache_bytes=", 2 * bytes),
                                          absl::StrCat("--max_record_bytes=", 2 * bytes)}),
        stepper_(service_.address(), ExampleWorker()),
        starter_(service_.address(), ExampleWorker()) {
    std::string program(static_cast<size_t>(std::min(bytes, kProgramBytes)), '+');
    for (int64_t i = 0; i < bytes / kProgramBytes; ++i) {
      starter_.Add(absl::StrCat(kBenchUri, "/", i), program);
    }
    stepper_.Start();
  }

  double held_bytes() const { return ReadMetric(service_, "process_resident_memory_bytes"); }

  void Measure() {
    WaitForIdle(service_, 1);
    StartClock clock(&service_);
    std::atomic<bool> is_over{false};
    std::thread steps([&] {
      while (!is_over) steps_.push_back(Milliseconds([&] { stepper_.Step(); }));
    });
    starter_.Start();  // Takes the idle worker: another is started.
    starts_.push_back(clock.NextMilliseconds());
    is_over = true;
    steps.join();
    starter_.End();
  }

  void Tell(const std::string& front) {
    TellSpread(absl::StrCat("worker start, ", front), starts_, "ms");
    TellSpread(absl::StrCat("step while workers start, ", front), steps_, "ms");
  }
  double median_start() const { return Quantile(starts_, 0.5); }
  double median_step() const { return Quantile(steps_, 0.5); }

 private:
  const ServiceProcess service_;
  BenchClient stepper_;
  BenchClient starter_;
  std::vector<double> starts_;
  std::vector<double> steps_;
};

}  // namespace

void TellFullFront(int rounds, int64_t bytes) {
  MeasuredFront empty(kProgramBytes);
  MeasuredFront full(bytes);
  // In turn: the machine's moods hit both.
  for (int i = 0; i < rounds; ++i) {
    empty.Measure();
    full.Measure();
  }
  constexpr double kGigabyte = 1 << 30;
  Tell("memory of the full front", full.held_bytes() / kGigabyte, "GiB");
  empty.Tell("empty front");
  full.Tell("full front");
  Tell("worker start, full front / empty front, p50", full.median_start() / empty.median_start(),
       "", Target{Target::kAtMost, 1.1});
  Tell("step while workers start, full front / empty front, p50",
       full.median_step() / empty.median_step(), "", Target{Target::kAtMost, 1.1});
}

}  // namespace holdfast
