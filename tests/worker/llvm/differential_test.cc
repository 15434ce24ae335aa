// Each step of a session does what opt-19 does: on many small programs, a few steps in each action
// space. llvm_differential does the same for longer.
#include "tests/worker/llvm/differential.h"

#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include "tests/worker/llvm/test_modules.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

constexpr int kModules = 36;
constexpr int kMaxFunctions = 3;
constexpr int kSteps = 3;

class Differential : public testing::TestWithParam<TestModule> {
 protected:
  static void SetUpTestSuite() { LimitResources(); }
  static void TearDownTestSuite() {
    std::cout << "In all, " << Total().Describe() << "\n";
    for (const std::string& known : Total().known) std::cout << known << "\n";
  }

  static DifferentialTally& Total() {
    static auto* const total = new DifferentialTally;
    return *total;
  }
};

TEST_P(Differential, SessionDoesAsOptDoes) {
  const absl::StatusOr<std::string> program = MakeModule(GetParam());
  ASSERT_TRUE(program.ok()) << program.status();
  DifferentialTally tally;
  uint32_t seed = GetParam().seed;
  for (const absl::string_view space : kComparedSpaces) {
    const absl::Status compared =
        Compare(*program, space, RandomPasses(space, ++seed, kSteps), &tally);
    ASSERT_TRUE(compared.ok()) << compared;
  }
  for (const std::string& difference : tally.differences) ADD_FAILURE() << difference;
  EXPECT_GT(tally.equal, 0) << tally.Describe();
  Total().Add(tally);
}

// LLVM's own hooks: a crash, and a module that does not verify.
TEST(DifferentialFailures, LeaveBothAsTheyWere) {
  LimitResources();
  DifferentialTally tally;
  const absl::Status compared =
      Compare(DemoProgram("calculator.c"), "unsafe",
              {"sroa", "trigger-crash-module", "trigger-verifier-error", "gvn"}, &tally);
  ASSERT_TRUE(compared.ok()) << compared;
  EXPECT_EQ(tally.failed_in_both, 2) << tally.Describe();
  EXPECT_EQ(tally.equal, 2) << tally.Describe();
}

INSTANTIATE_TEST_SUITE_P(Modules, Differential,
                         testing::ValuesIn(TestModules(kModules, /*seed=*/1, kMaxFunctions)));

}  // namespace
}  // namespace holdfast::llvm_session
