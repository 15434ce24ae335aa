// Compares the session with opt-19, for as long as one likes: random passes on many programs, in
// each action space. Exits with 1 after a difference.
//
//   bazel run //tests/worker/llvm:llvm_differential -- --seed=7 --modules=100 --steps=40
#include <cstdint>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "tests/worker/llvm/differential.h"
#include "tests/worker/llvm/test_modules.h"

ABSL_FLAG(uint32_t, seed, 1, "Seed of the generated programs and of the passes.");
ABSL_FLAG(int, modules, 40, "How many programs, those of the project first.");
ABSL_FLAG(int, steps, 24, "Steps in each action space, on each program.");
ABSL_FLAG(
    int, max_functions, 8,
    "Size of the largest program: functions of csmith, hundreds of llvm-stress's instructions. "
    "At least 1.");

namespace holdfast::llvm_session {
namespace {

int Main() {
  LimitResources();
  DifferentialTally total;
  bool has_failed = false;
  std::mt19937 random(absl::GetFlag(FLAGS_seed));
  for (const TestModule& module :
       TestModules(absl::GetFlag(FLAGS_modules), absl::GetFlag(FLAGS_seed),
                   absl::GetFlag(FLAGS_max_functions))) {
    const absl::StatusOr<std::string> program = MakeModule(module);
    if (!program.ok()) {
      std::cout << module << ": " << program.status() << std::endl;
      has_failed = true;
      continue;
    }
    for (const absl::string_view space : kComparedSpaces) {
      DifferentialTally tally;
      const std::vector<std::string> passes =
          RandomPasses(space, static_cast<uint32_t>(random()), absl::GetFlag(FLAGS_steps));
      const absl::Status compared = Compare(*program, space, passes, &tally);
      std::cout << module << ", " << space << ", " << tally.Describe() << std::endl;
      if (!compared.ok()) std::cout << compared << std::endl;
      for (const auto* texts : {&tally.known, &tally.differences}) {
        for (const std::string& text : *texts) std::cout << text << std::endl;
      }
      has_failed = has_failed || !compared.ok() || !tally.differences.empty();
      total.Add(tally);
    }
  }
  std::cout << "In all, " << total.Describe() << std::endl;
  return has_failed ? 1 : 0;
}

}  // namespace
}  // namespace holdfast::llvm_session

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Compares LLVM sessions with opt-19, step by step.");
  absl::ParseCommandLine(argc, argv);
  return holdfast::llvm_session::Main();
}
