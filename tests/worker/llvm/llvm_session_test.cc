#include "worker/llvm/llvm_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

using compiler_gym::Event;
using testing::HasSubstr;

constexpr char kLoop[] =
    "int f(int *a, int n) { int s = 0; for (int i = 0; i < n; ++i) s += a[i] * 3; return s; }\n";

TEST(LlvmSession, DescribesItself) {
  EXPECT_EQ(LlvmSession::CompilerVersion(), "LLVM 19.1.7");
  const auto actions = LlvmSession::ActionSpaces();
  ASSERT_EQ(actions.size(), 5);
  EXPECT_EQ(actions[0].name(), "PassesAll");
  compiler_gym::CommandlineSpace flags;
  ASSERT_TRUE(actions[0].space().any_value().UnpackTo(&flags));
  EXPECT_EQ(flags.name_size(), 124);
  EXPECT_EQ(flags.name(1), "-adce");
  EXPECT_EQ(actions[1].space().named_discrete().name_size(), ModernPasses().size());
  EXPECT_EQ(actions[2].space().named_discrete().name_size(), UnsafePasses().size());
  EXPECT_EQ(actions[3].space().named_discrete().name_size(), LoopPasses().size());
  EXPECT_EQ(actions[4].space().string_value().length_range().min(), 1);
  EXPECT_EQ(actions[4].space().string_value().length_range().max(), 8192);
}

TEST(LlvmSession, EveryObservationSpaceHasADefaultOfItsOwnKind) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("passes", kLoop).ok());
  for (const auto& space : LlvmSession::ObservationSpaces()) {
    EXPECT_NE(space.space().value_case(), compiler_gym::Space::VALUE_NOT_SET) << space.name();
    const auto event = session.Observe(space.name());
    ASSERT_TRUE(event.ok()) << space.name() << event.status();
    if (space.name() != "Runtime" && space.name() != "Buildtime") {  // Not without commands.
      EXPECT_EQ(event->value_case(), space.default_observation().value_case()) << space.name();
    }
    EXPECT_NE(space.default_observation().value_case(), Event::VALUE_NOT_SET) << space.name();
    if (event->has_int64_tensor()) {
      EXPECT_EQ(event->int64_tensor().value_size(), event->int64_tensor().shape(0));
      EXPECT_EQ(event->int64_tensor().shape(0), space.space().int64_box().low().shape(0));
      EXPECT_EQ(event->int64_tensor().shape(0),
                space.default_observation().int64_tensor().shape(0));
    }
  }
}

TEST(LlvmSession, InputsAreEquivalent) {
  SessionUnderTest from_c, from_bitcode, from_ir, again;
  ASSERT_TRUE(from_c.Init("passes", kLoop).ok());
  ASSERT_TRUE(from_bitcode.Init("passes", BitcodeOf(kLoop)).ok());
  ASSERT_TRUE(from_ir.Init("passes", from_c.Ir()).ok());
  EXPECT_EQ(from_c.Ir(), from_bitcode.Ir());
  EXPECT_EQ(from_c.Ir(), from_ir.Ir());
  EXPECT_EQ(*from_c.session().Fingerprint(), *from_bitcode.session().Fingerprint());
  EXPECT_EQ(*from_c.session().Fingerprint(), *from_ir.session().Fingerprint());
  // What the observation Bitcode says is a benchmark too.
  ASSERT_TRUE(again.Init("passes", from_c.Observe("Bitcode")->byte_tensor().value()).ok());
  EXPECT_EQ(again.Ir(), from_c.Ir());
}

TEST(LlvmSession, RefusesABadBenchmark) {
  SessionUnderTest session;
  const absl::Status status = session.Init("passes", "");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("File is empty:"));
}

TEST(LlvmSession, ABadActionLeavesTheSessionClean) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("PassesAll", kLoop).ok());
  const std::string ir = session.Ir();
  compiler_gym::Event action;
  action.set_string_value("-sroa");
  EXPECT_TRUE(IsCleanError(session.session().ApplyAction(action).status()));
  for (const int64_t index : {-1, 124}) {
    action.set_int64_value(index);
    const absl::Status status = session.session().ApplyAction(action).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(IsCleanError(status));
  }
  EXPECT_EQ(session.Ir(), ir);
}

TEST(LlvmSession, EffectsAndFingerprint) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("PassesAll", kLoop).ok());
  const std::string at_first = *session.session().Fingerprint();
  EXPECT_LE(at_first.size(), 64);  // More does not count.
  EXPECT_FALSE(*session.Step("-barrier"));
  EXPECT_FALSE(*session.Step("-strip-debug-declare"));
  EXPECT_EQ(*session.session().Fingerprint(), at_first);
  EXPECT_TRUE(*session.Step("-sroa"));
  EXPECT_NE(*session.session().Fingerprint(), at_first);
  EXPECT_FALSE(*session.Step("-sroa"));
}

TEST(LlvmSession, ObservationsDoNotChangeTheState) {
  SessionUnderTest session, untouched;
  ASSERT_TRUE(session.Init("passes", kLoop).ok());
  ASSERT_TRUE(untouched.Init("passes", kLoop).ok());
  for (const auto& space : LlvmSession::ObservationSpaces()) {
    ASSERT_TRUE(session.Observe(space.name()).ok());
  }
  ASSERT_TRUE(session.Step("sroa").ok());
  ASSERT_TRUE(untouched.Step("sroa").ok());
  EXPECT_EQ(session.Ir(), untouched.Ir());
}

TEST(LlvmSession, BrokenIrIsAnError) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("unsafe", kLoop).ok());
  const absl::StatusOr<bool> step = session.Step("trigger-verifier-error");
  EXPECT_EQ(step.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(step.status().message()), HasSubstr("The module is invalid: "));
  EXPECT_FALSE(IsCleanError(step.status()));
}

TEST(LlvmSessionDeathTest, CrashHooksReallyCrash) {
  GTEST_FLAG_SET(death_test_style, "fast");
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("unsafe", kLoop).ok());
  EXPECT_DEATH((void)session.Step("trigger-crash-module"), "");
  EXPECT_DEATH((void)session.Step("trigger-crash-function"), "");
}

TEST(LlvmSessionDeathTest, FatalErrorsReachStderr) {
  GTEST_FLAG_SET(death_test_style, "fast");
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("unsafe", DemoProgram("calculator.c")).ok());
  EXPECT_DEATH((void)session.Step("instcombine"), "LLVM ERROR: .*fixpoint");
}

// Instructions of text IR, counted with no help of LLVM: lines of a body that are no label, no
// comment, and no continuation of a switch.
int64_t CountLines(const std::string& ir) {
  int64_t count = 0;
  bool in_body = false;
  for (size_t at = 0; at < ir.size();) {
    const size_t end = ir.find('\n', at);
    const absl::string_view line(ir.data() + at, end - at);
    at = end + 1;
    if (absl::StartsWith(line, "define ")) in_body = true;
    if (line == "}") in_body = false;
    if (!in_body || !absl::StartsWith(line, "  ")) continue;
    if (absl::StartsWith(line, "    ") || line == "  ]") continue;
    ++count;
  }
  return count;
}

TEST(LlvmSession, InstructionCountIsWhatTheTextShows) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("passes", DemoProgram("calculator.c")).ok());
  for (const char* pass : {"sroa", "simplifycfg", "inline", "gvn"}) {
    ASSERT_TRUE(session.Step(pass).ok());
    EXPECT_EQ(session.Count("IrInstructionCount"), CountLines(session.Ir())) << pass;
    EXPECT_EQ(session.Count("IrInstructionCount"),
              session.Observe("InstCount")->int64_tensor().value(0));
  }
}

TEST(LlvmSession, Baselines) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("passes", DemoProgram("compressor.c")).ok());
  const int64_t original = session.Count("IrInstructionCount");
  EXPECT_EQ(session.Count("IrInstructionCountO0"), original);
  const int64_t oz = session.Count("IrInstructionCountOz");
  EXPECT_GT(oz, 0);
  EXPECT_LT(oz, session.Count("IrInstructionCountO3"));
  EXPECT_LT(oz, original);
  ASSERT_TRUE(session.Step("sroa").ok());
  EXPECT_LT(session.Count("IrInstructionCount"), original);
  EXPECT_EQ(session.Count("IrInstructionCountO0"), original);  // Of the program as it was loaded.
  EXPECT_EQ(session.Count("IrInstructionCountOz"), oz);
}

TEST(LlvmSession, BaselineIsWhatOptCounts) {
  if (!HasOpt()) GTEST_SKIP() << "the package llvm-19 is not installed";

  SessionUnderTest session;
  ASSERT_TRUE(session.Init("passes", DemoProgram("compressor.c")).ok());
  const ScratchDirectory scratch;
  const std::string file = absl::StrCat(scratch.path(), "/original.bc");
  WriteFile(file, session.Observe("Bitcode")->byte_tensor().value());
  const std::string ir =
      OutputOf(absl::StrCat("opt-19 -discard-value-names -passes='default<Oz>' -S ", file));
  EXPECT_EQ(session.Count("IrInstructionCountOz"), CountLines(ir));
}

// A replay must come to the same state: it is all that a recovery has.
class ReplayTest : public testing::TestWithParam<int> {};

TEST_P(ReplayTest, GivesTheSameModule) {
  const std::string bitcode = BitcodeOf(DemoProgram("compressor.c"));
  std::mt19937 random(GetParam());
  std::vector<absl::string_view> actions;
  for (int i = 0; i < 20; ++i) {
    actions.push_back(ModernPasses()[random() % ModernPasses().size()].name);
  }
  SessionUnderTest first, second;
  ASSERT_TRUE(first.Init("passes", bitcode).ok());
  ASSERT_TRUE(second.Init("passes", bitcode).ok());
  for (const absl::string_view action : actions) {
    const auto first_effect = first.Step(action);
    ASSERT_TRUE(first_effect.ok()) << action << first_effect.status();
    (void)first.Observe("Autophase");  // Observations in between must not matter.
    const auto second_effect = second.Step(action);
    ASSERT_TRUE(second_effect.ok()) << action << second_effect.status();
    EXPECT_EQ(*first_effect, *second_effect) << action;
    ASSERT_EQ(first.Ir(), second.Ir()) << action;
    ASSERT_EQ(*first.session().Fingerprint(), *second.session().Fingerprint()) << action;
  }
  EXPECT_EQ(first.Ir(), second.Ir());
}

// Safe passes keep what the program does: the programs check themselves.
class SemanticsTest : public testing::TestWithParam<const char*> {};

TEST_P(SemanticsTest, SurviveRandomPasses) {
  const std::string bitcode = BitcodeOf(DemoProgram(GetParam()));
  for (int seed = 1; seed <= 4; ++seed) {
    std::mt19937 random(seed);
    SessionUnderTest session;
    ASSERT_TRUE(session.Init("passes", bitcode).ok());
    std::string actions;
    for (int i = 0; i < 25; ++i) {
      const absl::string_view action = ModernPasses()[random() % ModernPasses().size()].name;
      ASSERT_TRUE(session.Step(action).ok()) << action;
      absl::StrAppend(&actions, action, " ");
    }
    const ScratchDirectory scratch;
    const std::string file = absl::StrCat(scratch.path(), "/program");
    WriteFile(file + ".bc", session.Observe("Bitcode")->byte_tensor().value());
    const std::string build =
        absl::StrCat("clang-19 -w -O0 ", file, ".bc -lm -o ", file, " && ", file, " >/dev/null");
    EXPECT_EQ(system(build.c_str()), 0) << actions;
  }
}

INSTANTIATE_TEST_SUITE_P(Programs, SemanticsTest,
                         testing::Values("compressor.c", "calculator.c", "linear_algebra.c"));

INSTANTIATE_TEST_SUITE_P(Seeds, ReplayTest, testing::Range(1, 16));

}  // namespace
}  // namespace holdfast::llvm_session
