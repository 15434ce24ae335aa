// Searches for a sequence of LLVM passes that leaves few instructions of a C program, on a service
// that is made to lose its compiler now and then.
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "worker/llvm/demo/search.h"
#include "worker/llvm/demo/service_client.h"
#include "worker/llvm/demo/terminal.h"

ABSL_FLAG(std::string, service, "127.0.0.1:50051", "The service, as HOST:PORT.");
ABSL_FLAG(std::string, program, "worker/llvm/benchmarks/programs/compressor.c", "The C program.");
ABSL_FLAG(uint32_t, seed, 1, "Seed of the search.");
ABSL_FLAG(int, episodes, 40, "Number of episodes, each a session of its own.");
ABSL_FLAG(int, steps, 50, "Steps of an episode, one action each.");
ABSL_FLAG(int, crash_one_in, 25, "One in so many actions is one that is known to crash; 0: none.");
ABSL_FLAG(std::string, metrics_address, "", "HOST:PORT of the service's /metrics, to print it.");

namespace holdfast::demo {
namespace {

// LLVM's crash hooks, and passes of LLVM 19 that crash on real programs (not on each).
constexpr const char* kCrashers[] = {"trigger-crash-module", "trigger-crash-function",
                                     "codegenprepare", "instcombine", "fix-irreducible"};

int Fail(const absl::Status& status) {
  std::cerr << "llvm_search: " << status.message() << std::endl;
  if (absl::IsUnavailable(status)) {
    std::cerr << "Is the service running? --service=HOST:PORT says where." << std::endl;
  }
  return 1;
}

absl::StatusOr<std::string> ReadProgram(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read the program ", path));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

absl::StatusOr<Baselines> MeasureBaselines(ServiceClient& client) {
  Baselines baselines;
  for (const auto& [name, value] : {std::pair("IrInstructionCountO0", &baselines.o0),
                                    std::pair("IrInstructionCountO3", &baselines.o3),
                                    std::pair("IrInstructionCountOz", &baselines.oz)}) {
    const absl::StatusOr<int64_t> count = client.Measure(name);
    if (!count.ok()) return count.status();
    *value = *count;
  }
  return baselines;
}

// The space `unsafe` begins with the passes of `passes`, at the same indices.
absl::StatusOr<SearchOptions> MakeOptions(const std::vector<std::string>& safe,
                                          const std::vector<std::string>& all) {
  if (safe.empty() || all.size() < safe.size() ||
      !std::equal(safe.begin(), safe.end(), all.begin())) {
    return absl::FailedPreconditionError("the service's space `unsafe` does not extend `passes`");
  }
  SearchOptions options;
  options.seed = absl::GetFlag(FLAGS_seed);
  options.episodes = absl::GetFlag(FLAGS_episodes);
  options.steps = absl::GetFlag(FLAGS_steps);
  options.passes = static_cast<int>(safe.size());
  options.crash_one_in = absl::GetFlag(FLAGS_crash_one_in);
  if (options.crash_one_in <= 0) return options;
  for (const char* name : kCrashers) {
    const auto found = std::find(all.begin(), all.end(), name);
    if (found != all.end()) options.crashers.push_back(static_cast<int>(found - all.begin()));
  }
  return options;
}

int Run() {
  const std::string program = absl::GetFlag(FLAGS_program);
  const absl::StatusOr<std::string> source = ReadProgram(program);
  if (!source.ok()) return Fail(source.status());
  absl::StatusOr<std::unique_ptr<ServiceClient>> client =
      ServiceClient::Connect(absl::GetFlag(FLAGS_service));
  if (!client.ok()) return Fail(client.status());
  const absl::StatusOr<std::vector<std::string>> safe = (*client)->ActionNames("passes");
  if (!safe.ok()) return Fail(safe.status());
  const absl::StatusOr<std::vector<std::string>> all = (*client)->ActionNames("unsafe");
  if (!all.ok()) return Fail(all.status());
  const absl::StatusOr<SearchOptions> options = MakeOptions(*safe, *all);
  if (!options.ok()) return Fail(options.status());

  const absl::Status added =
      (*client)->SetProgram("benchmark://llvm-search-v0/program", *source, "unsafe");
  if (!added.ok()) return Fail(added);
  const absl::StatusOr<Baselines> baselines = MeasureBaselines(**client);
  if (!baselines.ok()) return Fail(baselines.status());

  std::cout << "Searching for few instructions with " << (*client)->compiler_version() << "\n"
            << "  service  " << absl::GetFlag(FLAGS_service) << "\n"
            << "  program  " << program << "\n"
            << "  actions  " << safe->size() << " passes";
  if (!options->crashers.empty()) {
    std::cout << "; one in " << options->crash_one_in << " is a known crasher instead:\n"
              << Wrap({std::begin(kCrashers), std::end(kCrashers)}, "           ");
  } else {
    std::cout << "\n";
  }
  std::cout << "  search   seed " << options->seed << ", " << options->episodes << " episodes of "
            << options->steps << " steps\n\n";

  ProgressDisplay display(std::cout, isatty(STDOUT_FILENO) == 1, options->episodes, *baselines);
  const absl::Time start = absl::Now();
  const absl::StatusOr<SearchProgress> result =
      RunSearch(*options, **client,
                [&](const SearchProgress& progress) { display.Update(progress, absl::Now()); });
  display.Finish();
  if (!result.ok()) return Fail(result.status());
  std::cout << Report(*result, *baselines, *all, absl::Now() - start);
  if (const std::string metrics = absl::GetFlag(FLAGS_metrics_address); !metrics.empty()) {
    std::cout << "\nThe service's own account: http://" << metrics << "/metrics\n";
  }
  return 0;
}

}  // namespace
}  // namespace holdfast::demo

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "Searches for LLVM passes that make a C program small, through a service's crashes.");
  const std::vector<char*> arguments = absl::ParseCommandLine(argc, argv);
  if (arguments.size() > 1) {
    std::cerr << "llvm_search: unexpected argument '" << arguments[1] << "'" << std::endl;
    return 1;
  }
  return holdfast::demo::Run();
}
