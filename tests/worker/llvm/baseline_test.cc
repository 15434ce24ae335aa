// `llvm.apply_baseline_optimizations`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

using testing::HasSubstr;

constexpr absl::string_view kKey = "llvm.apply_baseline_optimizations";

ParameterResult Apply(SessionUnderTest& session, absl::string_view level) {
  const auto result = session.session().HandleParameter(kKey, level);
  EXPECT_TRUE(result.ok() && result->has_value()) << level << ": " << result.status();
  return result.ok() && result->has_value() ? **result : ParameterResult();
}

TEST(Baseline, EachLevelLeavesWhatTheObservationCounts) {
  for (const char* level : {"O0", "O3", "Oz"}) {
    SessionUnderTest session;
    ASSERT_TRUE(session.Init("passes", DemoProgram("compressor.c")).ok());
    const int64_t expected = session.Count(absl::StrCat("IrInstructionCount", level));
    const std::string before = session.Ir();
    const ParameterResult result = Apply(session, absl::StrCat("-", level));
    EXPECT_EQ(session.Count("IrInstructionCount"), expected) << level;
    EXPECT_EQ(result.reply, session.Ir() == before ? "0" : "1") << level;
  }
}

TEST(Baseline, AllLevelsAreThere) {
  for (const char* level : {"-O1", "-O2", "-O3", "-Os", "-Oz"}) {
    SessionUnderTest session;
    ASSERT_TRUE(session.Init("PassesAll", DemoProgram("calculator.c")).ok());
    const std::string before = *session.session().Fingerprint();
    const ParameterResult result = Apply(session, level);
    EXPECT_EQ(result.reply, "1") << level;
    EXPECT_TRUE(result.changed_state) << level;
    EXPECT_NE(*session.session().Fingerprint(), before) << level;
  }
}

TEST(Baseline, OneThatChangesNothingIsNotInTheHistory) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("passes", "int f(int a) { return a; }\n").ok());
  EXPECT_EQ(Apply(session, "-O1").reply, "1");
  const std::string fingerprint = *session.session().Fingerprint();
  const ParameterResult again = Apply(session, "-O1");
  EXPECT_EQ(again.reply, "0");
  EXPECT_FALSE(again.changed_state);
  EXPECT_EQ(*session.session().Fingerprint(), fingerprint);
  const auto command = session.session().HandleParameter("llvm.opt_command", "");
  EXPECT_EQ((*command)->reply,
            "opt-19 -discard-value-names program.bc -o 1.bc -passes='default<O1>'");
}

TEST(Baseline, ABadLevelIsACleanErrorThatNamesTheGoodOnes) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("passes", "int f(int a) { return a; }\n").ok());
  const std::string ir = session.Ir();
  for (const char* level : {"", "O3", "-O4", "-O3 ", "default<O3>"}) {
    const absl::Status status = session.session().HandleParameter(kKey, level).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << level;
    EXPECT_TRUE(IsCleanError(status)) << level;
    EXPECT_THAT(std::string(status.message()), HasSubstr("llvm.apply_baseline_optimizations: "));
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("must be one of -O0, -O1, -O2, -O3, -Os, -Oz"));
  }
  EXPECT_EQ(session.Ir(), ir);
}

TEST(Baseline, GoesOnAlikeInAReplayedAndARestoredSession) {
  const std::string program = DemoProgram("linear_algebra.c");
  SessionUnderTest session, replayed, restored;
  for (SessionUnderTest* each : {&session, &replayed}) {
    ASSERT_TRUE(each->Init("passes", program).ok());
    ASSERT_TRUE(each->Step("sroa").ok());
    EXPECT_EQ(Apply(*each, "-O2").reply, "1");
  }
  const auto snapshot = session.session().Snapshot();
  ASSERT_TRUE(snapshot.ok() && snapshot->has_value());
  ASSERT_TRUE(restored.Restore("passes", program, **snapshot).ok());
  for (const char* pass : {"reg2mem", "gvn", "inline", "simplifycfg", "attributor-light"}) {
    ASSERT_TRUE(session.Step(pass).ok());
    for (SessionUnderTest* other : {&replayed, &restored}) {
      ASSERT_TRUE(other->Step(pass).ok());
      EXPECT_EQ(other->Ir(), session.Ir()) << pass;
      EXPECT_EQ(*other->session().Fingerprint(), *session.session().Fingerprint()) << pass;
    }
  }
}

}  // namespace
}  // namespace holdfast::llvm_session
