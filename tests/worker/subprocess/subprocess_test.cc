#include "worker/subprocess/subprocess.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace holdfast {
namespace {

SubprocessOptions Shell(const std::string& line) {
  SubprocessOptions options;
  options.arguments = {"/bin/sh", "-c", line};
  options.directory = testing::TempDir();
  options.limit = absl::Seconds(60);
  return options;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Until the process is no more; an orphan is a zombie until somebody reaps it.
bool AwaitGone(pid_t pid) {
  const absl::Time limit = absl::Now() + absl::Seconds(30);
  while (absl::Now() < limit) {
    const std::string stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
    if (stat.empty() || absl::StrContains(stat, ") Z ")) return true;
  }
  return false;
}

TEST(SubprocessTest, TellsHowTheProgramEndedAndWhatItSaid) {
  const auto well = RunSubprocess(Shell("echo out; echo err >&2"));
  ASSERT_TRUE(well.ok()) << well.status();
  EXPECT_TRUE(well->succeeded());
  EXPECT_EQ(well->output, "out\nerr\n");

  const auto badly = RunSubprocess(Shell("echo why; exit 3"));
  ASSERT_TRUE(badly.ok()) << badly.status();
  EXPECT_FALSE(badly->succeeded());
  EXPECT_EQ(badly->Describe(), "exited with code 3");
  EXPECT_EQ(badly->output, "why\n");

  const auto killed = RunSubprocess(Shell("kill -SEGV $$"));
  ASSERT_TRUE(killed.ok()) << killed.status();
  EXPECT_EQ(killed->Describe(), "was ended by Segmentation fault");
}

TEST(SubprocessTest, RunsWhereAndWithWhatItIsTold) {
  SubprocessOptions options = Shell("pwd; echo $COLOUR; echo ${HOME-none}; cat");
  options.directory = "/proc";
  options.environment = {"COLOUR=blue"};
  const auto result = RunSubprocess(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, "/proc\nblue\nnone\n");
}

TEST(SubprocessTest, KeepsTheBeginningOfALongOutputAndWaitsForItsEnd) {
  SubprocessOptions options = Shell("yes | head -c 10000000; exit 7");
  options.max_output_bytes = 10;
  const auto result = RunSubprocess(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, "y\ny\ny\ny\ny\n");
  EXPECT_EQ(result->Describe(), "exited with code 7");
}

TEST(SubprocessTest, AProgramThatIsNotThereIsNotFound) {
  SubprocessOptions options = Shell("");
  options.arguments = {"no-such-program"};
  EXPECT_EQ(RunSubprocess(options).status(),
            absl::NotFoundError("cannot run no-such-program: No such file or directory"));
  options.arguments = {"/etc/passwd"};
  EXPECT_EQ(RunSubprocess(options).status(),
            absl::InternalError("cannot run /etc/passwd: Permission denied"));
}

TEST(SubprocessTest, KillsWhatTakesTooLongWithAllThatItStarted) {
  SubprocessOptions options = Shell("sleep 1000 & echo $!; exec sleep 1000");
  options.limit = absl::Milliseconds(300);
  const auto result = RunSubprocess(options);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded) << result.status();
  EXPECT_TRUE(absl::StrContains(result.status().message(), "not done within 300ms"));
  const std::string message(result.status().message());
  pid_t child = 0;
  ASSERT_TRUE(absl::SimpleAtoi(message.substr(message.rfind(' ') + 1), &child)) << message;
  EXPECT_TRUE(AwaitGone(child));
}

TEST(SubprocessTest, DoesNotWaitForWhatOutlivesTheProgramButKillsIt) {
  // The child holds the pipe.
  const auto result = RunSubprocess(Shell("sleep 1000 & echo $!"));
  ASSERT_TRUE(result.ok()) << result.status();
  pid_t child = 0;
  ASSERT_TRUE(absl::SimpleAtoi(result->output, &child)) << result->output;
  EXPECT_LT(result->wall_time, absl::Seconds(60));
  EXPECT_TRUE(AwaitGone(child));
}

TEST(SubprocessTest, KillsDaemonsAndNobodyElsesChildren) {
  const pid_t own = fork();
  if (own == 0) {
    pause();
    _exit(0);
  }
  // Its parent ends at once, and it leaves the group.
  const auto result = RunSubprocess(Shell("(setsid sleep 1000 >/dev/null 2>&1 & echo $!)"));
  ASSERT_TRUE(result.ok()) << result.status();
  pid_t daemon = 0;
  ASSERT_TRUE(absl::SimpleAtoi(result->output, &daemon)) << result->output;
  EXPECT_NE(kill(daemon, 0), 0) << "it is reaped, too";
  EXPECT_EQ(kill(own, 0), 0);
  EXPECT_EQ(waitpid(own, nullptr, WNOHANG), 0) << "still alive";
  kill(own, SIGKILL);
  waitpid(own, nullptr, 0);
}

TEST(SubprocessTest, ADirectoryThatIsNotThereIsNamed) {
  SubprocessOptions options = Shell("true");
  options.directory = "/no/such/directory";
  EXPECT_EQ(RunSubprocess(options).status(),
            absl::InternalError("cannot enter /no/such/directory: No such file or directory"));
}

TEST(SubprocessTest, SignalsAreThoseOfAFreshProgram) {
  // As a worker does.
  signal(SIGPIPE, SIG_IGN);
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, &before);
  // SIGPIPE is bit 12. The two that are the C library's own are not ours to reset.
  const auto result = RunSubprocess(
      Shell("grep SigBlk /proc/self/status; echo $((0x$(sed -n 's/SigIgn:.//p' /proc/self/status) "
            "& ~0x180000000))"));
  sigprocmask(SIG_SETMASK, &before, nullptr);
  signal(SIGPIPE, SIG_DFL);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, "SigBlk:\t0000000000000000\n0\n");
}

}  // namespace
}  // namespace holdfast
