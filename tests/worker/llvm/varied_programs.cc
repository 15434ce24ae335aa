#include "tests/worker/llvm/varied_programs.h"

#include <gtest/gtest.h>

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/module_bitcode.h"
#include "worker/llvm/module_loader.h"
#include "worker/llvm/pass_runner.h"
#include "worker/llvm/target.h"

namespace holdfast::llvm_session {
namespace {

constexpr char kExceptions[] = R"(
struct Base { virtual ~Base() {} virtual int f(int) = 0; };
struct Derived : Base { int f(int x) override { if (x > 3) throw x; return x * 2; } };
thread_local int counter;
template <typename T> T Twice(T x) { return x + x; }
int g(int n) {
  Derived d;
  Base* b = &d;
  try { counter += b->f(n); } catch (int e) { return Twice(e); } catch (...) { throw; }
  switch (n) { case 1: case 5: return 3; case 7: return 4; default: return counter; }
}
)";

VariedProgram Load(std::string name, absl::string_view bitcode_or_ir) {
  VariedProgram program;
  program.name = std::move(name);
  absl::StatusOr<std::unique_ptr<llvm::Module>> module =
      LoadModule(bitcode_or_ir, *program.context);
  EXPECT_TRUE(module.ok()) << program.name << module.status();
  program.module = *std::move(module);
  return program;
}

// The module as a session would hold it.
void Run(absl::string_view pipeline, VariedProgram& program) {
  const absl::Status status = RunPipeline(pipeline, *program.module);
  EXPECT_TRUE(status.ok()) << program.name << status;
  KeepWhatBitcodeHolds(*program.module);
}

}  // namespace

std::vector<VariedProgram> VariedPrograms() {
  InitializeLlvm();
  const ScratchDirectory scratch;
  std::vector<std::pair<std::string, std::string>> sources;
  for (const char* name : {"calculator.c", "compressor.c", "linear_algebra.c"}) {
    sources.emplace_back(name, BitcodeOf(DemoProgram(name)));
  }
  sources.emplace_back("exceptions", BitcodeOf(kExceptions));
  // csmith leaves a file where it runs.
  sources.emplace_back(
      "csmith", BitcodeOf(OutputOf(absl::StrCat("cd ", scratch.path(), " && csmith --seed 1 | ",
                                                "clang-19 -E -P -w -I/usr/include/csmith -"))));
  for (int seed = 1; seed <= 5; ++seed) {
    sources.emplace_back(absl::StrCat("llvm-stress ", seed),
                         OutputOf(absl::StrCat("llvm-stress-19 --size=300 --seed=", seed)));
  }
  std::vector<VariedProgram> programs;
  for (const auto& [name, source] : sources) {
    programs.push_back(Load(name, source));
    VariedProgram optimised = Load(name + " -O2", source);
    Run("default<O2>", optimised);
    programs.push_back(std::move(optimised));
    VariedProgram stripped = Load(name + " strip", source);
    Run("strip", stripped);
    programs.push_back(std::move(stripped));
  }
  return programs;
}

}  // namespace holdfast::llvm_session
