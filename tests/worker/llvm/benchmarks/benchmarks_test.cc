#include "worker/llvm/benchmarks/benchmarks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "llvm/IR/LLVMContext.h"
#include "tests/worker/llvm/benchmarks/run_command.h"
#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/module_loader.h"

namespace holdfast::llvm_session {
namespace {

using ::testing::HasSubstr;

constexpr absl::string_view kCsmith = "generator://holdfast-csmith-v0/";
constexpr absl::string_view kLlvmStress = "generator://holdfast-llvm-stress-v0/";

// In a directory that must stay empty.
absl::StatusOr<compiler_gym::Benchmark> Make(absl::string_view uri) {
  const ScratchDirectory scratch;
  absl::StatusOr<compiler_gym::Benchmark> benchmark = MakeBenchmark(uri, scratch.path());
  EXPECT_TRUE(std::filesystem::is_empty(scratch.path())) << uri;
  return benchmark;
}

std::string Program(absl::string_view uri) {
  const absl::StatusOr<compiler_gym::Benchmark> benchmark = Make(uri);
  EXPECT_TRUE(benchmark.ok()) << benchmark.status();
  return benchmark.ok() ? benchmark->program().contents() : "";
}

TEST(BenchmarksTest, NamesWhatThereIs) {
  const std::vector<std::string> uris = BenchmarkUris();
  EXPECT_TRUE(std::is_sorted(uris.begin(), uris.end()));
  EXPECT_THAT(uris, testing::Contains("benchmark://holdfast-v0/sorting"));
  EXPECT_THAT(uris, testing::Contains(absl::StrCat(kCsmith, "SEED")));
  EXPECT_THAT(uris, testing::Contains(absl::StrCat(kLlvmStress, "SEED")));
}

TEST(BenchmarksTest, ABenchmarkBearsItsNameAndIsTheSameEachTime) {
  const auto benchmark = Make("benchmark://holdfast-v0/regex");
  ASSERT_TRUE(benchmark.ok()) << benchmark.status();
  EXPECT_EQ(benchmark->uri(), "benchmark://holdfast-v0/regex");
  EXPECT_EQ(SniffSourceKind(benchmark->program().contents()), SourceKind::kBitcode);
  const auto again = Make("benchmark://holdfast-v0/regex");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(benchmark->DebugString(), again->DebugString());
}

TEST(BenchmarksTest, WhatIsNotThereIsRefusedWithWhatIs) {
  const absl::Status name = Make("benchmark://holdfast-v0/sortin").status();
  EXPECT_EQ(name.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(name.message()),
              HasSubstr("the name in benchmark://holdfast-v0/NAME is \"sortin\", must be one of "
                        "big_integers, bytecode, "));
  for (const char* uri :
       {"", "sorting", "benchmark://cbench-v1/qsort", "generator://csmith-v0/1"}) {
    EXPECT_EQ(Make(uri).status(),
              absl::InvalidArgumentError(absl::StrCat(
                  "the benchmark is \"", uri, "\", must be one of benchmark://holdfast-v0/NAME, ",
                  kCsmith, "SEED, ", kLlvmStress, "SEED")));
  }
}

class GeneratorTest : public testing::TestWithParam<absl::string_view> {};

TEST_P(GeneratorTest, ASeedIsAProgram) {
  const std::string first = Program(absl::StrCat(GetParam(), 5));
  EXPECT_EQ(first, Program(absl::StrCat(GetParam(), 5)));
  EXPECT_NE(first, Program(absl::StrCat(GetParam(), 6)));
}

TEST_P(GeneratorTest, ProgramsLoadFromOneEndOfTheRangeToTheOther) {
  for (const char* seed : {"0", "4294967295"}) {
    llvm::LLVMContext context;
    const auto module = LoadModule(Program(absl::StrCat(GetParam(), seed)), context);
    ASSERT_TRUE(module.ok()) << module.status();
    EXPECT_GT((*module)->getInstructionCount(), 20);
  }
}

TEST_P(GeneratorTest, WhatIsNoSeedIsRefused) {
  for (const char* seed : {"", "-1", "4294967296", "1.5", " 1", "+1", "007", "1/2", "SEED"}) {
    EXPECT_EQ(
        Make(absl::StrCat(GetParam(), seed)).status(),
        absl::InvalidArgumentError(absl::StrCat("the seed in ", GetParam(), "SEED is \"", seed,
                                                "\", must be an integer from 0 to 4294967295")));
  }
}

INSTANTIATE_TEST_SUITE_P(Generators, GeneratorTest, testing::Values(kCsmith, kLlvmStress));

TEST(GeneratorTest, ProgramsOfCsmithCanBeBuiltAndRun) {
  const auto benchmark = Make(absl::StrCat(kCsmith, 5));
  ASSERT_TRUE(benchmark.ok()) << benchmark.status();
  const ScratchDirectory directory;
  const absl::Status ran =
      BuildAndRun(benchmark->dynamic_config(), benchmark->program().contents(), directory.path());
  EXPECT_TRUE(ran.ok()) << ran;
}

TEST(GeneratorTest, FunctionsOfLlvmStressHaveNoCommands) {
  const auto benchmark = Make(absl::StrCat(kLlvmStress, 5));
  ASSERT_TRUE(benchmark.ok()) << benchmark.status();
  EXPECT_FALSE(benchmark->has_dynamic_config());
}

TEST(GeneratorTest, AMissingToolIsNamedWithItsPackage) {
  const ScratchDirectory empty;
  const std::string path = getenv("PATH");
  setenv("PATH", empty.path().c_str(), 1);
  const absl::Status csmith = Make(absl::StrCat(kCsmith, 5)).status();
  const absl::Status stress = Make(absl::StrCat(kLlvmStress, 5)).status();
  setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(csmith, absl::InvalidArgumentError(absl::StrCat(
                        kCsmith, "5: this generator needs csmith, of the Debian package csmith")));
  EXPECT_EQ(stress, absl::InvalidArgumentError(absl::StrCat(
                        kLlvmStress,
                        "5: this generator needs llvm-stress-19, of the Debian package llvm-19")));
}

}  // namespace
}  // namespace holdfast::llvm_session
