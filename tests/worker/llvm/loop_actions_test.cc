// The action space `loop`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kMul[] = " mul ";  // One for each copy of the loop's body.
constexpr char kLoop[] =
    "int f(int *a, int n) { int s = 0; for (int i = 0; i < n; ++i) s ^= a[i] * 3; return s; }\n";
constexpr char kNest[] =
    "void f(int (*a)[64], int n) {\n"
    "  for (int i = 0; i < n; ++i) for (int j = 0; j < 64; ++j) a[i][j] *= 3;\n"
    "}\n";

int CountOf(absl::string_view part, const std::string& text) {
  int count = 0;
  for (size_t at = 0; (at = text.find(std::string(part), at)) != std::string::npos; ++at) ++count;
  return count;
}

class LoopActionsTest : public testing::Test {
 protected:
  void Start(absl::string_view program) { ASSERT_TRUE(session_.Init("loop", program).ok()); }
  // Whether it had an effect.
  bool Step(absl::string_view action) {
    const absl::StatusOr<bool> step = session_.Step(action);
    EXPECT_TRUE(step.ok()) << action << ": " << step.status();
    return step.value_or(false);
  }

  SessionUnderTest session_;
};

class UnrollTest : public LoopActionsTest, public testing::WithParamInterface<int> {};

// The loop, and one for what is left of the iterations.
TEST_P(UnrollTest, CopiesTheBodySoManyTimes) {
  Start(kLoop);
  EXPECT_TRUE(Step(absl::StrCat("unroll-", GetParam())));
  EXPECT_EQ(CountOf(kMul, session_.Ir()), GetParam() + 1) << session_.Ir();
}

INSTANTIATE_TEST_SUITE_P(Counts, UnrollTest, testing::Values(2, 4, 8, 16, 32));

class VectorizeTest : public LoopActionsTest, public testing::WithParamInterface<int> {};

TEST_P(VectorizeTest, ComputesSoManyAtATime) {
  Start(kLoop);
  EXPECT_TRUE(Step(absl::StrCat("vectorize-", GetParam())));
  EXPECT_THAT(session_.Ir(), HasSubstr(absl::StrCat("load <", GetParam(), " x i32>")));
}

INSTANTIATE_TEST_SUITE_P(Widths, VectorizeTest, testing::Values(2, 4, 8, 16, 32));

TEST_F(LoopActionsTest, AnotherNumberMayFollow) {
  Start(kLoop);
  EXPECT_TRUE(Step("unroll-2"));
  EXPECT_TRUE(Step("unroll-4"));
  EXPECT_GE(CountOf(kMul, session_.Ir()), 2 * 4);

  SessionUnderTest vectorized;
  ASSERT_TRUE(vectorized.Init("loop", kLoop).ok());
  ASSERT_TRUE(vectorized.Step("vectorize-16").ok());
  EXPECT_TRUE(*vectorized.Step("vectorize-4"));  // What the first left over.
  EXPECT_THAT(vectorized.Ir(), HasSubstr("load <16 x i32>"));
  EXPECT_THAT(vectorized.Ir(), HasSubstr("load <4 x i32>"));
}

TEST_F(LoopActionsTest, TheLastNumberReplacesTheOthers) {
  // Cannot be vectorised: each iteration needs the one before.
  Start("void f(int *a, int n) { for (int i = 1; i < n; ++i) a[i] = a[i - 1] * 3; }\n");
  EXPECT_TRUE(Step("vectorize-8"));
  EXPECT_THAT(session_.Ir(), HasSubstr("!\"llvm.loop.vectorize.width\", i32 8"));
  EXPECT_FALSE(Step("vectorize-8"));
  EXPECT_TRUE(Step("vectorize-4"));
  EXPECT_THAT(session_.Ir(), HasSubstr("!\"llvm.loop.vectorize.width\", i32 4"));
  EXPECT_THAT(session_.Ir(), Not(HasSubstr("!\"llvm.loop.vectorize.width\", i32 8")));
}

TEST_F(LoopActionsTest, WhatTheSourceSaysIsOverruled) {
  Start(
      "void f(int *a, int n) {\n"
      "#pragma nounroll\n"
      "  for (int i = 0; i < n; ++i) a[i] *= 3;\n"
      "}\n");
  EXPECT_THAT(session_.Ir(), HasSubstr("llvm.loop.unroll.disable"));
  EXPECT_TRUE(Step("unroll-4"));
  EXPECT_EQ(CountOf(kMul, session_.Ir()), 4 + 1) << session_.Ir();
}

TEST_F(LoopActionsTest, OnlyInnermostLoopsAreUnrolled) {
  Start(kNest);
  EXPECT_TRUE(Step("unroll-4"));
  EXPECT_EQ(CountOf(kMul, session_.Ir()), 4) << session_.Ir();  // 64 is a multiple of it.
}

TEST_F(LoopActionsTest, AProgramWithoutLoopsStaysAsItIs) {
  Start("int f(int a);\nint g(void) { return 1; }\n");
  EXPECT_FALSE(Step("unroll-4"));
  EXPECT_FALSE(Step("vectorize-4"));
}

TEST_F(LoopActionsTest, ARestoredSessionGoesOnAlike) {
  const std::string program = DemoProgram("linear_algebra.c");
  Start(program);
  EXPECT_TRUE(Step("vectorize-4"));
  EXPECT_TRUE(Step("unroll-2"));
  const auto snapshot = session_.session().Snapshot();
  ASSERT_TRUE(snapshot.ok() && snapshot->has_value());
  SessionUnderTest restored;
  ASSERT_TRUE(restored.Restore("loop", program, **snapshot).ok());
  for (const char* action : {"unroll-4", "vectorize-8", "vectorize-2", "unroll-2"}) {
    const bool effect = Step(action);
    EXPECT_EQ(*restored.Step(action), effect) << action;
    EXPECT_EQ(*restored.session().Fingerprint(), *session_.session().Fingerprint()) << action;
    EXPECT_EQ(restored.Ir(), session_.Ir()) << action;
  }
}

// They do what they did: the programs check themselves.
TEST_F(LoopActionsTest, ProgramsStillWork) {
  for (const char* program : {"compressor.c", "calculator.c", "linear_algebra.c"}) {
    SessionUnderTest session;
    ASSERT_TRUE(session.Init("loop", DemoProgram(program)).ok());
    const ScratchDirectory scratch;
    const std::string file = scratch.path() + "/program";
    for (const char* action : {"vectorize-8", "unroll-4", "vectorize-2", "unroll-2"}) {
      ASSERT_TRUE(session.Step(action).ok()) << action;
      WriteFile(file + ".bc", session.Observe("Bitcode")->byte_tensor().value());
      const std::string build =
          absl::StrCat("clang-19 -w -O0 ", file, ".bc -lm -o ", file, " && ", file, " >/dev/null");
      EXPECT_EQ(system(build.c_str()), 0) << program << " after " << action;
    }
  }
}

}  // namespace
}  // namespace holdfast::llvm_session
