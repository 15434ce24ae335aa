// The action space `pipeline`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

using testing::HasSubstr;

constexpr char kLoop[] =
    "int f(int *a, int n) { int s = 0; for (int i = 0; i < n; ++i) s += a[i] * 3; return s; }\n";

TEST(PipelineActions, RunAnyPipeline) {
  SessionUnderTest session, stepwise;
  ASSERT_TRUE(session.Init("pipeline", kLoop).ok());
  ASSERT_TRUE(stepwise.Init("passes", kLoop).ok());
  EXPECT_TRUE(*session.Step("sroa,early-cse,simplifycfg"));
  EXPECT_FALSE(*session.Step("sroa,early-cse,simplifycfg"));
  for (const char* pass : {"sroa", "early-cse", "simplifycfg"}) {
    ASSERT_TRUE(stepwise.Step(pass).ok());
  }
  EXPECT_EQ(session.Ir(), stepwise.Ir());
  EXPECT_TRUE(*session.Step("default<O3>"));
  EXPECT_TRUE(*session.Step("cgscc(inline),function(loop(loop-rotate),reg2mem),globaldce"));
  EXPECT_FALSE(*session.Step("no-op-module"));
}

TEST(PipelineActions, WhatIsNoneIsRefusedAndTheSessionIsClean) {
  const std::vector<std::pair<std::string, const char*>> refused = {
      {"no-such-pass", "unknown pass name 'no-such-pass'"},
      {"sroa,inline", "unknown function pass 'inline'"},
      {"sroa,", "unknown function pass ''"},
      {"function(sroa", "invalid pipeline"},
      {"loop-unroll<nonsense>", "invalid LoopUnrollPass parameter 'nonsense'"},
      {"-sroa", "unknown pass name"},
      {"-O3", "unknown pass name"},
      {"sroa\ngvn", "something else at byte 4"},
      {std::string("sroa\0", 5), "something else at byte 4"},
      {"internalize<preserve-gv=\xc3\xa9>", "something else at byte 24"},
      {std::string(8193, 'x'), "8193 bytes, must have 1 to 8192"},
      {std::string(8192, 'x'), "unknown pass name"},
      {"", "0 bytes, must have 1 to 8192"},
  };
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("pipeline", kLoop).ok());
  const std::string ir = session.Ir();
  for (const auto& [text, message] : refused) {
    const absl::Status status = session.Step(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(IsCleanError(status)) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
    EXPECT_LT(status.message().size(), 2000);
  }
  compiler_gym::Event index;
  index.set_int64_value(0);
  EXPECT_TRUE(IsCleanError(session.session().ApplyAction(index).status()));
  EXPECT_EQ(session.Ir(), ir);
  EXPECT_TRUE(*session.Step("sroa"));
}

TEST(PipelineActions, TheDeepestThatIsTakenIsParsed) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("pipeline", kLoop).ok());
  std::string text = "indvars";
  while (text.size() + 6 <= 8192) text = absl::StrCat("loop(", text, ")");
  EXPECT_EQ(session.Step(text).status().code(), absl::StatusCode::kOk);
}

TEST(PipelineActions, BrokenIrIsAnError) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("pipeline", kLoop).ok());
  const absl::Status status = session.Step("sroa,trigger-verifier-error").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_FALSE(IsCleanError(status));
}

TEST(PipelineActionsDeathTest, OneThatParsesMayStillBeFatal) {
  GTEST_FLAG_SET(death_test_style, "fast");
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("pipeline", kLoop).ok());
  EXPECT_DEATH((void)session.Step("sroa,licm"), "LLVM ERROR: .*requires MemorySSA");
  EXPECT_DEATH((void)session.Step("function(sroa),trigger-crash-module"), "");
}

TEST(PipelineActionsDeathTest, APassThatWantsATargetIsFatalWithoutOne) {
  GTEST_FLAG_SET(death_test_style, "fast");
  constexpr char kWithoutTriple[] = "define i32 @f(i32 %a) {\n  ret i32 %a\n}\n";
  for (const char* text : {"expand-memcmp", "interleaved-access", "typepromotion"}) {
    SessionUnderTest session;
    ASSERT_TRUE(session.Init("pipeline", kWithoutTriple).ok());
    EXPECT_DEATH((void)session.Step(text), "") << text;
  }
}

TEST(PipelineActions, ARestoredSessionGoesOnAlike) {
  const std::string program = DemoProgram("calculator.c");
  SessionUnderTest session, restored;
  ASSERT_TRUE(session.Init("pipeline", program).ok());
  ASSERT_TRUE(session.Step("function(sroa,newgvn),attributor-light").ok());
  ASSERT_TRUE(session.Step("default<O1>").ok());
  const auto snapshot = session.session().Snapshot();
  ASSERT_TRUE(snapshot.ok() && snapshot->has_value());
  ASSERT_TRUE(restored.Restore("pipeline", program, **snapshot).ok());
  for (const char* text : {"default<O2>", "function(gvn-hoist,newgvn),attributor-light",
                           "function(reg2mem)", "default<Oz>"}) {
    const auto effect = session.Step(text);
    ASSERT_TRUE(effect.ok()) << text;
    EXPECT_EQ(*restored.Step(text), *effect) << text;
    EXPECT_EQ(*restored.session().Fingerprint(), *session.session().Fingerprint()) << text;
    EXPECT_EQ(restored.Ir(), session.Ir()) << text;
  }
  EXPECT_EQ((*restored.session().HandleParameter("llvm.opt_command", ""))->reply,
            (*session.session().HandleParameter("llvm.opt_command", ""))->reply);
}

}  // namespace
}  // namespace holdfast::llvm_session
