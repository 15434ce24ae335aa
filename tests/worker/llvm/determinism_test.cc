// A session is a function of its program and its actions: fresh processes, each with addresses of
// its own, come to the same bitcode.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/pass_tables.h"

namespace holdfast::llvm_session {
namespace {

constexpr int kProcesses = 3;

// The lines that a fresh process prints.
std::vector<std::string> ResultsOfAProcess(const char* program, const std::string& bitcode_file,
                                           int seed) {
  return absl::StrSplit(
      OutputOf(absl::StrCat("tests/worker/llvm/", program, " ", bitcode_file, " ", seed)), '\n',
      absl::SkipEmpty());
}

// Runs `program` in some processes; there must be more than `lines` in what it prints.
void ExpectOneResult(const char* program, size_t lines) {
  const ScratchDirectory scratch;
  const std::string file = scratch.path() + "/program.bc";
  std::ofstream(file, std::ios::binary) << BitcodeOf(DemoProgram("calculator.c"));
  const std::vector<std::string> first = ResultsOfAProcess(program, file, 0);
  ASSERT_GT(first.size(), lines);
  for (int seed = 1; seed < kProcesses; ++seed) {
    EXPECT_EQ(ResultsOfAProcess(program, file, seed), first);
  }
}

TEST(Determinism, EachActionHasOneResultInEveryProcess) {
  ExpectOneResult("pass_results", CompilerGymPasses().size() + ModernPasses().size());
}

TEST(Determinism, EachObservationHasOneValueInEveryProcess) {
  ExpectOneResult("observation_results", 60);
}

}  // namespace
}  // namespace holdfast::llvm_session
