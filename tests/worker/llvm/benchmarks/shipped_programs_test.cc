#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "llvm/IR/LLVMContext.h"
#include "tests/worker/llvm/benchmarks/run_command.h"
#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/benchmarks/benchmarks.h"
#include "worker/llvm/benchmarks/embedded_programs.h"
#include "worker/llvm/module_bitcode.h"
#include "worker/llvm/module_loader.h"
#include "worker/llvm/pass_runner.h"
#include "worker/llvm/target.h"
#include "worker/subprocess/subprocess.h"

namespace holdfast::llvm_session {
namespace {

compiler_gym::Benchmark Make(absl::string_view name) {
  const ScratchDirectory scratch;
  const auto benchmark =
      MakeBenchmark(absl::StrCat("benchmark://holdfast-v0/", name), scratch.path());
  EXPECT_TRUE(benchmark.ok()) << benchmark.status();
  return benchmark.value_or(compiler_gym::Benchmark());
}

class ShippedProgramsTest : public testing::TestWithParam<EmbeddedProgram> {};

TEST_P(ShippedProgramsTest, PrintsTheSameHoweverItIsOptimised) {
  InitializeLlvm();
  const compiler_gym::Benchmark benchmark = Make(GetParam().name);
  for (const char* pipeline : {"", "default<O3>", "default<Oz>"}) {
    llvm::LLVMContext context;
    const auto module = LoadModule(benchmark.program().contents(), context);
    ASSERT_TRUE(module.ok()) << module.status();
    ASSERT_TRUE(RunPipeline(pipeline, **module).ok());
    std::string bitcode;
    WriteModule(**module, &bitcode);
    const ScratchDirectory directory;
    const absl::Status ran = BuildAndRun(benchmark.dynamic_config(), bitcode, directory.path());
    EXPECT_TRUE(ran.ok()) << pipeline << ": " << ran;
  }
}

// Undefined behaviour would be the optimiser's licence to change what a program prints.
TEST_P(ShippedProgramsTest, HasNoWarningsAndNoUndefinedBehaviour) {
  const ScratchDirectory directory;
  std::ofstream(absl::StrCat(directory.path(), "/program.c")) << GetParam().source;
  std::ofstream(absl::StrCat(directory.path(), "/expected")) << GetParam().output;
  SubprocessOptions options;
  options.arguments = {
      "/bin/sh", "-c",
      "clang-14 -std=c11 -O1 -Wall -Wextra -Wpedantic -Werror -fsanitize=address,undefined "
      "-fno-sanitize-recover=all program.c -lm && ./a.out > output && cmp expected output && "
      // An argument makes it do more, or is refused.
      "./a.out 2 > more && ! ./a.out 0"};
  options.directory = directory.path();
  options.environment = {absl::StrCat("PATH=", getenv("PATH"))};
  options.limit = absl::Minutes(1);
  const auto result = RunSubprocess(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->succeeded()) << result->Describe() << ": " << result->output;
}

INSTANTIATE_TEST_SUITE_P(All, ShippedProgramsTest,
                         testing::ValuesIn(EmbeddedPrograms().begin(), EmbeddedPrograms().end()),
                         [](const testing::TestParamInfo<EmbeddedProgram>& info) {
                           return info.param.name;
                         });

TEST(OutputCheckTest, AWrongOutputFailsTheRun) {
  const compiler_gym::Benchmark wanted = Make("sieve");
  const compiler_gym::Benchmark other = Make("life");
  const ScratchDirectory directory;
  const absl::Status ran =
      BuildAndRun(wanted.dynamic_config(), other.program().contents(), directory.path());
  EXPECT_EQ(ran.code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(absl::StrContains(ran.message(), "exited with code 1: ")) << ran;
  EXPECT_TRUE(absl::StrContains(ran.message(), "> the glider comes home")) << ran;

  const compiler_gym::Command& check = wanted.dynamic_config().post_run_cmd(0);
  const std::string output = absl::StrCat(directory.path(), "/output.txt");
  const std::string& right = check.env().at("EXPECTED");
  std::ofstream(output) << right;
  EXPECT_TRUE(RunCommand(check, directory.path()).ok());
  for (const std::string& wrong : {std::string(), right.substr(1), right + "\n"}) {
    std::ofstream(output) << wrong;
    EXPECT_FALSE(RunCommand(check, directory.path()).ok()) << wrong;
  }
}

TEST(OutputCheckTest, AFailingProgramFailsTheRun) {
  compiler_gym::BenchmarkDynamicConfig config = Make("sieve").dynamic_config();
  config.clear_post_run_cmd();
  const ScratchDirectory directory;
  const absl::Status ran =
      BuildAndRun(config, BitcodeOf("int main(void) { return 3; }"), directory.path());
  EXPECT_TRUE(absl::StrContains(ran.message(), "exited with code 3")) << ran;
}

}  // namespace
}  // namespace holdfast::llvm_session
