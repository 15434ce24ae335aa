// What a step of an LLVM session costs, over its pass alone in one bare process, on a program as
// large as bzip2: with the verifier, as in `opt`; in a session, without a service; through the
// whole service.
//
// All ways take turns, pass by pass, in one run. For each pass the fastest of the rounds counts.
// CPU time, for what else the machine does disturbs it little (of the service: front and workers);
// the last line has wall time, too. Only the ratios mean anything.
//
//   bazel run //tests/bench:llvm_step_benchmark [-- --rounds=10]
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/bench/large_program.h"
#include "tests/integration/service_process.h"
#include "worker/llvm/llvm_session.h"
#include "worker/llvm/module_loader.h"
#include "worker/llvm/pass_runner.h"
#include "worker/llvm/pass_tables.h"
#include "worker/llvm/target.h"

ABSL_FLAG(int, functions, 250, "Functions of the program, of 113 instructions each. At least 1.");
ABSL_FLAG(int, rounds, 10, "How often each pass is run each way. At least 1.");

namespace holdfast {
namespace {

constexpr char kSpace[] = "passes";
constexpr const char* kPasses[] = {"sroa",
                                   "early-cse<memssa>",
                                   "simplifycfg",
                                   "inline",
                                   "gvn",
                                   "loop-rotate",
                                   "licm",
                                   "indvars",
                                   "loop-unroll",
                                   "sccp",
                                   "reassociate",
                                   "jump-threading",
                                   "dse",
                                   "globalopt",
                                   "instcombine<no-verify-fixpoint>",
                                   "adce",
                                   "simplifycfg",
                                   "adce",
                                   "sccp",
                                   "mem2reg"};

enum Way { kBare, kVerified, kSession, kService, kWays };
constexpr const char* kWayNames[] = {"bare", "verified", "session", "service"};

// Seconds.
struct Times {
  double cpu = 1e9;
  double wall = 1e9;
};
using TimesOfPasses = std::vector<Times>;

double CpuOfThisProcess() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double CpuOf(pid_t pid) {
  int64_t nanoseconds = 0;
  std::error_code error;  // The process may end meanwhile.
  const std::string tasks = absl::StrCat("/proc/", pid, "/task");
  for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
    int64_t of_task = 0;
    std::ifstream(task.path() / "schedstat") >> of_task;
    nanoseconds += of_task;
  }
  return 1e-9 * static_cast<double>(nanoseconds);
}

void Require(bool ok, const std::string& what) {
  if (ok) return;
  std::cerr << "ERROR: " << what << std::endl;
  exit(1);
}
void Require(const absl::Status& status) { Require(status.ok(), status.ToString()); }

// A session in this process, called as a worker calls it.
class LocalSession {
 public:
  LocalSession(int space, const std::string& bitcode, const std::string& scratch)
      : session_(SessionContext{scratch, false, scratch + "/files"}) {
    compiler_gym::Benchmark benchmark;
    benchmark.mutable_program()->set_contents(bitcode);
    Require(session_.Init(space, benchmark));
  }
  void Step(int64_t pass) {
    compiler_gym::Event action;
    action.set_int64_value(pass);
    const absl::StatusOr<ActionResult> result = session_.ApplyAction(action);
    Require(result.status());
    Require(session_.EndOfStep(result->had_no_effect));
  }

 private:
  llvm_session::LlvmSession session_;
};

class Benchmark {
 public:
  Benchmark() : service_("worker/llvm/llvm_worker") {
    llvm_session::InitializeLlvm();
    scratch_ = std::filesystem::temp_directory_path() / "llvm-step-benchmark-XXXXXX";
    Require(mkdtemp(scratch_.data()) != nullptr, "cannot make " + scratch_);
    const auto spaces = llvm_session::PassSpaces();
    while (spaces.at(space_).name != kSpace) ++space_;
    for (const char* name : kPasses) {
      const auto& passes = spaces[space_].passes;
      int64_t index = 0;
      while (passes.at(index).name != name) ++index;
      passes_.push_back(index);
    }
    const auto program =
        llvm_session::ToBitcodeOrIr(LargeProgram(absl::GetFlag(FLAGS_functions)), scratch_);
    Require(program.status());
    program_ = *program;
  }
  ~Benchmark() { std::filesystem::remove_all(scratch_); }

  void Run() {
    std::vector<TimesOfPasses> best(kWays, TimesOfPasses(passes_.size()));
    for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) RunRound(round, &best);
    std::printf("%-32s %8s |", "CPU time", "bare, ms");
    for (int way = kVerified; way < kWays; ++way) std::printf(" %8s", kWayNames[way]);
    std::printf("\n");
    std::vector<Times> sums(kWays, Times{0, 0});
    for (size_t i = 0; i < passes_.size(); ++i) {
      PrintRow(kPasses[i], [&](int way) { return best[way][i].cpu; });
      for (int way = 0; way < kWays; ++way) {
        sums[way].cpu += best[way][i].cpu;
        sums[way].wall += best[way][i].wall;
      }
    }
    PrintRow("all", [&](int way) { return sums[way].cpu; });
    PrintRow("all, wall time", [&](int way) { return sums[way].wall; });
    for (const Way way : {kVerified, kSession}) {
      std::printf("service over %s: %.3f of CPU time, %.3f of wall time\n", kWayNames[way],
                  sums[kService].cpu / sums[way].cpu, sums[kService].wall / sums[way].wall);
    }
  }

 private:
  static void PrintRow(const char* name, const std::function<double(int way)>& seconds) {
    std::printf("%-32s %8.2f |", name, 1e3 * seconds(kBare));
    for (int way = kVerified; way < kWays; ++way) {
      std::printf(" %8.3f", seconds(way) / seconds(kBare));
    }
    std::printf("\n");
  }

  double CpuOfService() const {
    double seconds = CpuOf(service_.pid()) + CpuOf(service_.spawner());
    for (const pid_t worker : service_.workers()) seconds += CpuOf(worker);
    return seconds;
  }

  void RunRound(int round, std::vector<TimesOfPasses>* best) {
    llvm::LLVMContext contexts[2];
    const auto bare = llvm_session::LoadModule(program_, contexts[0]);
    const auto verified = llvm_session::LoadModule(program_, contexts[1]);
    Require(bare.status());
    Require(verified.status());
    if (round == 0) std::printf("%u instructions\n", (*bare)->getInstructionCount());
    LocalSession local(space_, program_, scratch_);
    TestSession remote(service_, "benchmark://bench-v0/large", program_, space_);
    for (size_t i = 0; i < passes_.size(); ++i) {
      const std::function<void()> ways[] = {
          [&] { Require(llvm_session::RunPipeline(kPasses[i], **bare)); },
          [&] {
            Require(llvm_session::RunPipeline(kPasses[i], **verified));
            Require(llvm_session::VerifyModule(**verified));
          },
          [&] { local.Step(passes_[i]); },
          [&] { Require(remote.Step({passes_[i]}).ok(), "a step failed"); }};
      for (int j = 0; j < kWays; ++j) {
        const int way = (round + j) % kWays;
        const auto cpu = [&] { return way == kService ? CpuOfService() : CpuOfThisProcess(); };
        const double cpu_before = cpu();
        const absl::Time start = absl::Now();
        ways[way]();
        const double wall = absl::ToDoubleSeconds(absl::Now() - start);
        Times& times = (*best)[way][i];
        times.cpu = std::min(times.cpu, cpu() - cpu_before);
        times.wall = std::min(times.wall, wall);
      }
    }
    remote.End();
  }

  const ServiceProcess service_;
  std::string scratch_;
  std::string program_;  // Bitcode.
  int space_ = 0;
  std::vector<int64_t> passes_;  // Indices of kPasses.
};

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  holdfast::Benchmark().Run();
}
