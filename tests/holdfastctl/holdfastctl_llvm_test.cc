// holdfastctl on crashes of LLVM: what it prints makes opt crash, too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/holdfastctl/crash_maker.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

constexpr int kUnsafeSpace = 2;
constexpr int kPipelineSpace = 4;

Crash MakeLlvmCrash(std::vector<std::vector<std::string>> steps, int action_space = kUnsafeSpace) {
  Crash crash;
  crash.worker = "worker/llvm/llvm_worker";
  crash.program = Slurp(RunfilePath("worker/llvm/benchmarks/programs/linear_algebra.c"));
  crash.action_space = action_space;
  crash.steps = std::move(steps);
  return crash;
}

CrashReport MakeLlvmReport(std::vector<std::vector<std::string>> steps,
                           int action_space = kUnsafeSpace) {
  return MakeReport(MakeLlvmCrash(std::move(steps), action_space));
}

compiler_gym::SessionParameter Parameter(const std::string& key, const std::string& value) {
  compiler_gym::SessionParameter parameter;
  parameter.set_key(key);
  parameter.set_value(value);
  return parameter;
}

// Inlining doubles it at each level.
std::string MemoryBomb(int levels) {
  std::string text = "void g(void); static inline void f0(void) { g(); }\n";
  for (int i = 1; i <= levels; ++i) {
    absl::StrAppend(&text, "static inline __attribute__((always_inline)) void f", i, "(void) { f",
                    i - 1, "(); f", i - 1, "(); }\n");
  }
  return absl::StrCat(text, "void f(void) { f", levels, "(); }\n");
}

ProgramResult RunCtl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), RunfilePath("frontend/holdfastctl/holdfastctl"));
  return RunProgram(arguments);
}

// The command that was printed, as it would be pasted.
std::string CommandIn(const std::string& out) {
  for (const absl::string_view line : absl::StrSplit(out, '\n')) {
    if (absl::StartsWith(line, "  opt-19 ")) return std::string(line);
  }
  return "";
}

class HoldfastctlLlvmTest : public testing::Test {
 protected:
  // What a shell says of it: 128 and the signal.
  absl::optional<int> ExitOfCommand(const std::string& command) {
    RunningProgram::Surroundings here;
    here.directory = directory_.path();
    RunningProgram shell({"sh", "-c", command}, here);
    return shell.Wait();
  }

  TemporaryDirectory directory_;
};

TEST_F(HoldfastctlLlvmTest, TheReducedCommandCrashesOpt) {
  const std::string file =
      WriteReport(directory_.path(), MakeLlvmReport({{"sroa", "early-cse"},
                                                     {"simplifycfg", "gvn", "licm"},
                                                     {"adce", "trigger-crash-module", "dce"}}));
  const std::string program = "it's a program.bc";
  const ProgramResult result =
      RunCtl({"reduce", file, "--program_output=" + (directory_ / program)});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.out,
              HasSubstr("Minimal sequence, 1 of 8 actions:\n  1. trigger-crash-module"));
  EXPECT_EQ(ModeOf(directory_ / program), 0600U);
  EXPECT_TRUE(absl::StartsWith(Slurp(directory_ / program), "BC\xc0\xde"));

  const std::string command = CommandIn(result.out);
  ASSERT_THAT(command, HasSubstr("'it'\\''s a program.bc'")) << result.out;
  EXPECT_THAT(command, testing::Not(HasSubstr("&&")));
  EXPECT_EQ(ExitOfCommand(command), 128 + SIGABRT);
}

TEST_F(HoldfastctlLlvmTest, TheWholeCommandDoesAllActionsAndCrashesOpt) {
  const CrashReport report = MakeLlvmReport({{"sroa", "early-cse"}, {"trigger-crash-function"}});
  const std::string file = WriteReport(directory_.path(), report);
  const ProgramResult result = RunCtl({"replay", file});
  EXPECT_EQ(result.exit, 0) << result.err;
  const std::string command = CommandIn(result.out);
  for (const char* text : {"sroa", "early-cse", "trigger-crash-function"}) {
    EXPECT_THAT(command, HasSubstr(text));
  }
  EXPECT_THAT(command, HasSubstr(report.id() + ".bc"));
  EXPECT_EQ(ExitOfCommand(command), 128 + SIGABRT);
}

TEST_F(HoldfastctlLlvmTest, ObservationsAreNotInTheCommand) {
  CrashReport report = MakeLlvmReport({{"trigger-crash-module"}});
  report.mutable_step()->add_observation_space(0);
  const std::string file = WriteReport(directory_.path(), report);
  const ProgramResult result = RunCtl({"replay", file});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_EQ(ExitOfCommand(CommandIn(result.out)), 128 + SIGABRT);
}

TEST_F(HoldfastctlLlvmTest, AFileNamedLikeAFlagIsStillAFile) {
  const std::string file =
      WriteReport(directory_.path(), MakeLlvmReport({{"trigger-crash-module"}}));
  const ProgramResult result = RunCtl({"replay", file, "--program_output=" + (directory_ / "-x")});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_EQ(ExitOfCommand(CommandIn(result.out)), 128 + SIGABRT);
}

TEST_F(HoldfastctlLlvmTest, ThereIsNoCommandForWhatIsNoAction) {
  CrashReport report = MakeLlvmReport({{"sroa"}, {"trigger-crash-module"}});
  report.mutable_history(0)->mutable_parameter()->set_key("llvm.opt_command");
  const std::string file = WriteReport(directory_.path(), report);
  const ProgramResult result = RunCtl({"replay", file});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.out,
              HasSubstr("No command line: opt has nothing like the parameter llvm.opt_command"));
  EXPECT_EQ(CommandIn(result.out), "");
}

TEST_F(HoldfastctlLlvmTest, PipelinesAreInTheCommandAsTheyAre) {
  // With a text that looks like the end of a command.
  const std::string first = "internalize<preserve-gv=main;preserve-gv=it's program.bc>";
  const std::string file =
      WriteReport(directory_.path(),
                  MakeLlvmReport({{"sroa,gvn"}, {first, "function(adce),trigger-crash-module"}},
                                 kPipelineSpace));
  const ProgramResult result =
      RunCtl({"replay", file, "--program_output=" + (directory_ / "p.bc")});
  EXPECT_EQ(result.exit, 0) << result.err;
  const std::string command = CommandIn(result.out);
  EXPECT_THAT(command, HasSubstr("-passes='sroa,gvn'"));
  EXPECT_THAT(command, HasSubstr("preserve-gv=it'\\''s program.bc>'"));
  EXPECT_EQ(ExitOfCommand(command), 128 + SIGABRT) << command;
}

TEST_F(HoldfastctlLlvmTest, LevelsAreInTheCommand) {
  CrashReport report = MakeLlvmReport({{"sroa"}, {"gvn"}, {"trigger-crash-module"}});
  *report.mutable_history(0)->mutable_parameter() =
      Parameter("llvm.apply_baseline_optimizations", "-O1");
  const std::string file = WriteReport(directory_.path(), report);
  const ProgramResult result = RunCtl({"replay", file});
  EXPECT_EQ(result.exit, 0) << result.err;
  const std::string command = CommandIn(result.out);
  EXPECT_THAT(command, HasSubstr("-passes='default<O1>'"));
  EXPECT_EQ(ExitOfCommand(command), 128 + SIGABRT) << command;
}

TEST_F(HoldfastctlLlvmTest, ALevelThatFailsIsACommandToo) {
  const std::string limit = "--worker_memory_limit_bytes=268435456";
  Crash crash = MakeLlvmCrash({{"always-inline"}});
  crash.program = MemoryBomb(27);
  crash.service_flags = {limit};
  CrashReport report = MakeReport(crash);
  report.clear_step();
  *report.mutable_parameter() = Parameter("llvm.apply_baseline_optimizations", "-Oz");
  const std::string file = WriteReport(directory_.path(), report);
  const ProgramResult result = RunCtl({"replay", file, limit});
  EXPECT_EQ(result.exit, 0) << result.out << result.err;
  EXPECT_THAT(CommandIn(result.out), HasSubstr("-passes='default<Oz>'")) << result.out;
}

}  // namespace
}  // namespace holdfast
