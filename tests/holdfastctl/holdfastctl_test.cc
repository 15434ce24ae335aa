// holdfastctl as a user runs it, on reports of the misbehaving worker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "frontend/crash_reports/crash_report.h"
#include "tests/holdfastctl/crash_maker.h"
#include "tests/integration/misbehaving_service.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kWorker[] = "tests/testcases/misbehaving_worker";

Crash CrashOf(std::vector<std::vector<std::string>> steps, const std::string& program = "ok") {
  Crash crash;
  crash.worker = kWorker;
  crash.program = program;
  crash.steps = std::move(steps);
  return crash;
}

// The file names in a directory.
std::vector<std::string> EntriesOf(const TemporaryDirectory& directory) {
  std::vector<std::string> names = directory.Entries();
  std::sort(names.begin(), names.end());
  return names;
}

class HoldfastctlTest : public testing::Test {
 protected:
  HoldfastctlTest() { EXPECT_EQ(setenv("TMPDIR", scratch_.path().c_str(), 1), 0); }
  // Whatever it did, it cleans up after itself.
  ~HoldfastctlTest() override {
    EXPECT_TRUE(WaitUntil([&] { return scratch_.Entries("holdfastctl").empty(); }));
  }

  static std::vector<std::string> Command(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), RunfilePath("frontend/holdfastctl/holdfastctl"));
    return arguments;
  }
  static ProgramResult Run(std::vector<std::string> arguments) {
    return RunProgram(Command(std::move(arguments)));
  }
  std::string Write(const CrashReport& report) { return WriteReport(reports_.path(), report); }

  TemporaryDirectory scratch_;
  TemporaryDirectory reports_;
};

TEST_F(HoldfastctlTest, ListsReportsGoodAndBroken) {
  const CrashReport crash = MakeReport(CrashOf({{"noop", "add_one"}, {"crash"}}));
  CrashReport other = MakeReport(CrashOf({{"exit_1"}}));
  other.mutable_benchmark()->set_uri("benchmark://\x1b[2J" + std::string(100, 'x'));
  const std::string older = Write(crash);
  const std::string newer = Write(other);
  ASSERT_NE(crash.id(), other.id());
  std::filesystem::last_write_time(older,
                                   std::filesystem::last_write_time(newer) - std::chrono::hours(1));
  WriteText(reports_ / "broken.crash", "no report");
  std::filesystem::create_directory(reports_ / "directory.crash");
  WriteText(reports_ / "notes.txt", "no report either");

  const ProgramResult result = Run({"list", reports_.path()});
  EXPECT_EQ(result.exit, 0) << result.err;
  const std::vector<std::string> lines = absl::StrSplit(result.out, '\n');
  for (const std::string& line : lines) EXPECT_LE(line.size(), 80U) << line;
  const size_t older_at = result.out.find(crash.id());
  const size_t newer_at = result.out.find(other.id());
  ASSERT_NE(older_at, std::string::npos) << result.out;
  ASSERT_NE(newer_at, std::string::npos) << result.out;
  EXPECT_LT(older_at, newer_at);
  EXPECT_THAT(result.out, HasSubstr("SIGSEGV"));
  EXPECT_THAT(result.out, HasSubstr("exit 1"));
  EXPECT_THAT(result.out, HasSubstr("first 2023-11-14 22:13"));
  EXPECT_THAT(result.out, HasSubstr("misbehaving 1.0, benchmark://test/crash"));
  EXPECT_THAT(result.out, HasSubstr("benchmark://\\x1b[2Jxxx"));
  EXPECT_THAT(result.out, HasSubstr("broken  unreadable\n"));
  EXPECT_THAT(result.out, HasSubstr("directory  unreadable\n"));
  EXPECT_THAT(result.out, testing::Not(HasSubstr("notes")));
}

TEST_F(HoldfastctlTest, ShowsWhatIsInAReport) {
  CrashReport report = MakeReport(CrashOf({{"noop", "add_one"}, {"stderr_garbage"}}));
  report.mutable_failure()->set_stderr_tail("first line\n\x1b[31mred\n");
  const ProgramResult result = Run({"show", Write(report)});
  EXPECT_EQ(result.exit, 0) << result.err;
  for (const std::string& text :
       {"report:          " + report.id(), std::string("cause:           SIGABRT"),
        std::string("compiler:        misbehaving 1.0"),
        std::string("benchmark:       benchmark://test/crash, 2 B"),
        std::string("action space:    misbehaviour (0)"), std::string("  1. 0, 1\n"),
        std::string("  first line\n  \\x1b[31mred\n"),
        "worker:          " + RunfilePath(kWorker)}) {
    EXPECT_THAT(result.out, HasSubstr(text));
  }
}

TEST_F(HoldfastctlTest, ReplaysACrash) {
  const std::string file = Write(MakeReport(CrashOf({{"noop"}, {"add_one", "crash"}})));
  const ProgramResult result = Run({"replay", file, "--runs=3"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\nfails in the same way in 3 of 3 runs\n"));
  EXPECT_THAT(result.out,
              testing::ContainsRegex(
                  "run 1: killed by signal 11 \\(Segmentation fault\\) in crash \\([0-9]+\\)\n"));
}

TEST_F(HoldfastctlTest, ReplaysAHang) {
  Crash crash = CrashOf({{"noop"}, {"hang"}});
  crash.service_flags = {"--step_timeout=100ms"};
  const CrashReport report = MakeReport(crash);
  ASSERT_EQ(report.failure().cause(), WorkerFailure::TIME_LIMIT);
  const ProgramResult result = Run({"replay", Write(report), "--step_timeout=100ms"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("fails in the same way in 1 of 1 runs"));
}

TEST_F(HoldfastctlTest, SaysThatACrashIsGone) {
  CrashReport report = MakeReport(CrashOf({{"noop"}, {"crash"}}));
  *report.mutable_step()->mutable_action(0) = report.history(0).step().action(0);
  const ProgramResult result = Run({"replay", Write(report), "--runs=2"});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\nno longer fails\n"));
}

TEST_F(HoldfastctlTest, SaysThatItFailsDifferently) {
  CrashReport report = MakeReport(CrashOf({{"crash"}}));
  report.mutable_failure()->set_signal(SIGABRT);
  const std::string file = Write(report);
  ProgramResult result = Run({"replay", file});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\nfails differently: killed by signal 11"));
  result = Run({"reduce", file});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_THAT(result.out, HasSubstr("does not fail in the same way"));
  EXPECT_EQ(EntriesOf(reports_).size(), 1U);
}

// A session's own error is no failure of its worker.
TEST_F(HoldfastctlTest, SaysWhatTheSessionRefuses) {
  CrashReport report = MakeReport(CrashOf({{"crash"}}));
  report.mutable_step()->mutable_action(0)->set_int64_value(1'000'000);
  const ProgramResult result = Run({"replay", Write(report)});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_THAT(result.out, HasSubstr("fails differently: "));
  EXPECT_THAT(result.out, HasSubstr("1000000"));
}

TEST_F(HoldfastctlTest, ReplaysAFailureInInit) {
  CrashReport report = MakeReport(CrashOf({{"crash"}}));
  report.mutable_benchmark()->mutable_program()->set_contents("crash-in-init");
  report.mutable_start()->set_action_space(0);
  const std::string file = Write(report);
  const ProgramResult result = Run({"replay", file});
  EXPECT_EQ(result.exit, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("in the start of the session"));
  EXPECT_EQ(Run({"reduce", file}).exit, 0);
}

TEST_F(HoldfastctlTest, ReducesToTheTwoActionsThatItTakes) {
  std::vector<std::vector<std::string>> steps(7, {"noop", "add_one"});
  steps.push_back({"add_one", "arm", "noop"});
  steps.resize(15, {"noop", "add_one"});
  steps.push_back({"add_one", "fire_if_armed"});
  const std::string file = Write(MakeReport(CrashOf(steps)));
  const ProgramResult result = Run({"reduce", file});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.out, testing::ContainsRegex("Minimal sequence, 2 of 33 actions:\n"
                                                 "  1\\. arm \\([0-9]+\\)\n"
                                                 "  2\\. fire_if_armed \\([0-9]+\\)\n"
                                                 "killed by signal 11"));
  EXPECT_EQ(result.err, "");

  const std::string reduced =
      reports_ / (std::filesystem::path(file).stem().string() + "-reduced.crash");
  EXPECT_EQ(ModeOf(reduced), 0600U);
  const absl::StatusOr<CrashReport> report = ReadCrashReport(reduced);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->history_size(), 1);
  const ProgramResult replayed = Run({"replay", reduced});
  EXPECT_EQ(replayed.exit, 0) << replayed.out << replayed.err;
}

// In a step of its own fail_at_end_of_step would end the session before it crashes.
TEST_F(HoldfastctlTest, KeepsTogetherWhatDoesNotFailApart) {
  const CrashReport report = MakeReport(
      CrashOf({{"noop", "add_one"}, {"fail_at_end_of_step", "arm", "add_one", "fire_if_armed"}}));
  const ProgramResult result = Run({"reduce", Write(report)});
  EXPECT_EQ(result.exit, 0) << result.out << result.err;
  EXPECT_THAT(result.out, testing::ContainsRegex("Minimal sequence, 2 of 6 actions:\n"
                                                 "  1\\. arm \\([0-9]+\\), "
                                                 "fire_if_armed \\([0-9]+\\)\n"));
}

TEST_F(HoldfastctlTest, TriesAgainWhatDoesNotAlwaysFail) {
  // Of two processes that share a marker, the first crashes.
  const std::string marker = reports_ / "marker";
  const std::string file = Write(MakeReport(CrashOf({{"noop"}, {"crash_once"}}, "ok:" + marker)));
  std::filesystem::remove(marker);
  ProgramResult result = Run({"replay", file, "--runs=3"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("fails in the same way in 1 of 3 runs"));
  result = Run({"replay", file});
  EXPECT_EQ(result.exit, 1) << result.err;
}

TEST_F(HoldfastctlTest, ATimeLimitEndsWithTheShortestSoFar) {
  std::vector<std::vector<std::string>> steps(20, {"noop"});
  steps.push_back({"crash"});
  const std::string file = Write(MakeReport(CrashOf(steps)));
  const ProgramResult result =
      Run({"reduce", file, "--time_limit=1ns", "--output=" + (reports_ / "out.crash")});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("The shortest sequence in the time limit, 21 of 21"));
  EXPECT_EQ(Run({"replay", reports_ / "out.crash"}).exit, 0);
}

TEST_F(HoldfastctlTest, TroubleHasAnExitCodeOfItsOwnAndAMessage) {
  const CrashReport report = MakeReport(CrashOf({{"crash"}}));
  const std::string file = Write(report);
  CrashReport elsewhere = report;
  elsewhere.set_worker("/nonexistent/worker");
  const std::string no_worker = reports_ / "no-worker.crash";
  WriteText(no_worker, elsewhere.SerializeAsString());
  CrashReport stranger = report;
  stranger.set_action_space_name("strange");
  const std::string no_space = reports_ / "no-space.crash";
  WriteText(no_space, stranger.SerializeAsString());
  const std::string broken = reports_ / "broken.crash";
  WriteText(broken, "broken");

  const struct {
    std::vector<std::string> arguments;
    std::string message;
  } kCases[] = {
      {{}, "no command, must be one of status, "},
      {{"list"}, "list has 0 arguments, must have 1: DIR"},
      {{"eat", file}, "the command is eat, must be one of status, health, "},
      {{"list", "/nonexistent"}, "/nonexistent"},
      {{"show", "/nonexistent"}, "/nonexistent"},
      {{"show", broken}, "not a crash report"},
      {{"replay", broken}, "not a crash report"},
      {{"reduce", broken}, "not a crash report"},
      {{"replay", no_worker}, "/nonexistent/worker cannot be run"},
      {{"replay", no_space}, "no action space named 'strange'"},
      {{"replay", file, "--worker=/bin/false"}, "workers cannot be started"},
      {{"replay", file, "--runs=0"}, "--runs is 0, must be in [1, 1000]"},
      {{"replay", file, "--step_timeout=0s"}, "--step_timeout is 0, must be more than 0"},
      {{"reduce", file, "--time_limit=0s"}, "--time_limit is 0, must be more than 0"},
      {{"reduce", file, "--output=/nonexistent/x"}, "cannot write /nonexistent/x"},
      {{"replay", file, "--unknown"}, "unknown"},
  };
  for (const auto& c : kCases) {
    const ProgramResult result = Run(c.arguments);
    EXPECT_EQ(result.exit, 2) << testing::PrintToString(c.arguments) << result.out;
    EXPECT_THAT(result.err, HasSubstr(c.message)) << testing::PrintToString(c.arguments);
  }
}

TEST_F(HoldfastctlTest, SaysThatTheVersionDiffers) {
  CrashReport report = MakeReport(CrashOf({{"crash"}}));
  report.mutable_version()->set_compiler_version("misbehaving 0.9");
  const ProgramResult result = Run({"replay", Write(report)});
  EXPECT_EQ(result.exit, 0);
  EXPECT_EQ(result.err, "The report is about misbehaving 0.9, but the worker is misbehaving 1.0\n");
}

// In the middle of a replay: the worker waits in its action.
class HoldfastctlEndTest : public HoldfastctlTest, public testing::WithParamInterface<int> {};

TEST_P(HoldfastctlEndTest, LeavesNothingBehind) {
  const Marker marker(reports_ / "marker");
  CrashReport report = MakeReport(CrashOf({{"noop"}, {"crash"}}, "ok:" + marker.path()));
  const CrashReport waits = [&] {
    Crash crash = CrashOf({{"wait"}}, "ok:" + marker.path());
    crash.service_flags = {"--step_timeout=1s"};
    return MakeReport(crash);
  }();
  *report.mutable_history(0)->mutable_step() = waits.step();
  const std::string file = Write(report);
  const int waiting = marker.waiting();

  RunningProgram holdfastctl(Command({"replay", file}));
  ASSERT_TRUE(marker.AwaitWaiting(waiting + 1)) << holdfastctl.err();
  const std::vector<pid_t> family = FamilyOf(holdfastctl.pid());
  EXPECT_GE(family.size(), 4U) << "itself, front, spawner, worker";
  EXPECT_FALSE(scratch_.Entries().empty());
  holdfastctl.Signal(GetParam());
  EXPECT_EQ(holdfastctl.Wait(), -GetParam());
  EXPECT_TRUE(WaitUntil([&] { return AllGone(family); }));
  EXPECT_TRUE(WaitUntil([&] { return scratch_.Entries().empty(); }))
      << testing::PrintToString(scratch_.Entries());
}

INSTANTIATE_TEST_SUITE_P(Signals, HoldfastctlEndTest, testing::Values(SIGKILL, SIGINT, SIGTERM));

}  // namespace
}  // namespace holdfast
