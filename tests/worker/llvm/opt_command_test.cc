// `llvm.opt_command`: what it says, and that opt comes to the session's state by it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

using testing::HasSubstr;

constexpr char kLoop[] =
    "int f(int *a, int n) { int s = 0; for (int i = 0; i < n; ++i) s += a[i] * 3; return s; }\n";

// The reply, which must not change the state.
absl::StatusOr<std::string> OptCommand(SessionUnderTest& session, absl::string_view further = "") {
  const auto result = session.session().HandleParameter("llvm.opt_command", further);
  if (!result.ok()) {
    EXPECT_TRUE(IsCleanError(result.status()));
    return result.status();
  }
  EXPECT_FALSE((*result)->changed_state);
  return (*result)->reply;
}

void ApplyBaseline(SessionUnderTest& session, absl::string_view level) {
  const auto result = session.session().HandleParameter("llvm.apply_baseline_optimizations", level);
  ASSERT_TRUE(result.ok() && result->has_value()) << result.status();
}

TEST(OptCommand, NamesWhatWasApplied) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("PassesAll", kLoop).ok());
  EXPECT_EQ(*OptCommand(session), "");
  ASSERT_TRUE(session.Step("-early-cse-memssa").ok());
  ASSERT_TRUE(session.Step("-barrier").ok());  // Does nothing.
  ASSERT_TRUE(session.Step("-instcombine").ok());
  const std::string applied =
      "opt-19 -discard-value-names program.bc -o 1.bc -passes='early-cse<memssa>' && "
      "opt-19 -discard-value-names 1.bc -o 2.bc -passes='instcombine<no-verify-fixpoint>'";
  EXPECT_EQ(*OptCommand(session), applied);
  // 1 is -adce, 7 -barrier.
  EXPECT_EQ(*OptCommand(session, "7,1\n-Oz"),
            applied +
                " && opt-19 -discard-value-names 2.bc -o 3.bc -passes='adce'"
                " && opt-19 -discard-value-names 3.bc -o 4.bc -passes='default<Oz>'");
  EXPECT_EQ(*OptCommand(session), applied) << "what was asked for is not kept";
  EXPECT_FALSE(session.session().HandleParameter("llvm.unknown", "")->has_value());
}

TEST(OptCommand, RefusesWhatIsNoAction) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("PassesAll", kLoop).ok());
  for (const char* actions :
       {"124", "-1", "1,9999999999", "sroa", "1 2", "0x1", "-O9", "99999999999999999999"}) {
    const absl::Status status = OptCommand(session, actions).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << actions << ": " << status;
  }
  EXPECT_EQ(OptCommand(session, "1,124").status().message(),
            "llvm.opt_command: action 124 is not in [0, 124)");
  std::string many = "1";
  for (int i = 0; i < 20000; ++i) many += ",1";
  EXPECT_EQ(OptCommand(session, many).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(OptCommand, PipelinesAreOneALine) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("pipeline", kLoop).ok());
  ASSERT_TRUE(session.Step("internalize<preserve-gv=f;preserve-gv=' && echo no>").ok());
  EXPECT_EQ(*OptCommand(session, "sroa,gvn\n-O1\nadce\n"),
            "opt-19 -discard-value-names program.bc -o 1.bc "
            "-passes='internalize<preserve-gv=f;preserve-gv='\\'' && echo no>'"
            " && opt-19 -discard-value-names 1.bc -o 2.bc -passes='sroa,gvn'"
            " && opt-19 -discard-value-names 2.bc -o 3.bc -passes='default<O1>'"
            " && opt-19 -discard-value-names 3.bc -o 4.bc -passes='adce'");
  EXPECT_EQ(OptCommand(session, "sroa\nno-such-pass").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(OptCommand, SaysThatOptCannotSetLoopMetadata) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("loop", kLoop).ok());
  EXPECT_EQ(*OptCommand(session), "");
  ApplyBaseline(session, "-O1");
  EXPECT_THAT(*OptCommand(session), HasSubstr("default<O1>"));
  EXPECT_EQ(OptCommand(session, "1").status().code(), absl::StatusCode::kUnimplemented);
  ASSERT_TRUE(session.Step("unroll-4").ok());
  const absl::Status status = OptCommand(session).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(status.message(),
            "llvm.opt_command: opt-19 cannot do unroll-4: it has no pass that sets the metadata of "
            "loops");
}

class OptCommandTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!HasOpt()) GTEST_SKIP() << "the package llvm-19 is not installed";
  }

  void Start(absl::string_view space, absl::string_view program) {
    ASSERT_TRUE(session_.Init(space, program).ok());
    WriteFile(scratch_.path() + "/program.bc", session_.Observe("Bitcode")->byte_tensor().value());
    original_ = session_.Ir();
  }

  // Runs the session's command, which has `calls` calls of opt.
  void ExpectSameOfOpt(int calls) {
    const std::string command = *OptCommand(session_);
    ASSERT_EQ(system(absl::StrCat("cd ", scratch_.path(), " && ", command).c_str()), 0) << command;
    // opt calls the module after its file: only a session gives it the name of all.
    SessionUnderTest from_opt;
    ASSERT_TRUE(
        from_opt.Init("passes", ReadFile(absl::StrCat(scratch_.path(), "/", calls, ".bc"))).ok());
    EXPECT_EQ(from_opt.Ir(), session_.Ir()) << command;
    EXPECT_NE(original_, session_.Ir());
  }

  const ScratchDirectory scratch_;
  SessionUnderTest session_;
  std::string original_;
};

TEST_F(OptCommandTest, GivesTheSessionsState) {
  Start("passes", DemoProgram("compressor.c"));
  for (const char* pass : {"sroa", "simplifycfg", "inline", "licm", "gvn", "loop-unroll-full"}) {
    ASSERT_TRUE(session_.Step(pass).ok()) << pass;
  }
  ExpectSameOfOpt(6);
}

TEST_F(OptCommandTest, SurvivesAShell) {
  Start("pipeline", kLoop);
  ASSERT_TRUE(session_.Step("internalize<preserve-gv=f;preserve-gv=it's $no `no` | no>").ok());
  ASSERT_TRUE(session_.Step("sroa").ok());
  ExpectSameOfOpt(2);
}

class OptCommandLevelTest : public OptCommandTest,
                            public testing::WithParamInterface<const char*> {};

TEST_P(OptCommandLevelTest, OfABaseline) {
  Start("passes", DemoProgram("linear_algebra.c"));
  ApplyBaseline(session_, GetParam());
  ASSERT_TRUE(session_.Step("reg2mem").ok());
  ExpectSameOfOpt(2);
}

INSTANTIATE_TEST_SUITE_P(Levels, OptCommandLevelTest,
                         testing::Values("-O1", "-O2", "-O3", "-Os", "-Oz"));

class OptCommandOfPipelinesTest : public OptCommandTest, public testing::WithParamInterface<int> {
 protected:
  std::string OneOf(const std::vector<const char*>& texts) {
    return texts[random_() % texts.size()];
  }
  std::string FunctionPasses() {
    std::vector<std::string> passes;
    for (unsigned count = 1 + random_() % 4; count > 0; --count) {
      passes.push_back(OneOf({"sroa", "early-cse<memssa>", "simplifycfg", "gvn", "adce", "dse",
                              "instcombine<no-verify-fixpoint>", "reassociate", "jump-threading",
                              "loop(loop-rotate,indvars)", "loop-mssa(licm)", "slp-vectorizer",
                              "loop-unroll<O3>", "sccp"}));
    }
    return absl::StrCat("function(", absl::StrJoin(passes, ","), ")");
  }
  std::string Pipeline() {
    std::vector<std::string> parts = {FunctionPasses()};
    parts.push_back(OneOf({"globalopt", "ipsccp", "deadargelim", "globaldce", "cgscc(inline)"}));
    if (random_() % 2 == 0) parts.push_back(absl::StrCat("cgscc(", FunctionPasses(), ")"));
    return absl::StrJoin(parts, ",");
  }

  std::mt19937 random_{static_cast<unsigned>(GetParam())};
};

TEST_P(OptCommandOfPipelinesTest, GivesTheSessionsState) {
  constexpr int kSteps = 4;
  Start("pipeline", DemoProgram(OneOf({"compressor.c", "calculator.c", "linear_algebra.c"})));
  for (int i = 0; i < kSteps; ++i) {
    const std::string pipeline = Pipeline();
    ASSERT_TRUE(session_.Step(pipeline).ok()) << pipeline;
  }
  ExpectSameOfOpt(kSteps);
}

INSTANTIATE_TEST_SUITE_P(Seeds, OptCommandOfPipelinesTest, testing::Range(1, 13));

}  // namespace
}  // namespace holdfast::llvm_session
