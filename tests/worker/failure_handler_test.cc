#include "worker/failure_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "absl/base/config.h"
#include "absl/time/clock.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

struct End {
  int status = 0;
  std::string errors;
};

// Not inlined, so that the trace has it.
[[gnu::noinline]] void DieHere(int signal_number) {
  raise(signal_number);
  asm volatile("");  // No tail call.
}

[[gnu::noinline]] int Recurse(int depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  // To its compiler, it could end.
  return depth < 0 ? 0 : Recurse(depth / 2 + 1) + frame[0];
}

End RunInChild(void (*body)(int), int argument) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    InstallFailureHandler("/proc/self/exe");
    body(argument);
    _exit(0);
  }
  close(ends[1]);
  End end;
  char buffer[4096];
  for (ssize_t count; (count = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    end.errors.append(buffer, count);
  }
  close(ends[0]);
  EXPECT_EQ(waitpid(pid, &end.status, 0), pid);
  return end;
}

class FailureHandlerTest : public testing::Test {
 protected:
  void SetUp() override {
#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
    GTEST_SKIP() << "sanitizers handle signals themselves";
#endif
  }
};

TEST_F(FailureHandlerTest, LeavesATraceAndDiesOfTheSignal) {
  for (const int signal_number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    const End end = RunInChild(DieHere, signal_number);
    EXPECT_TRUE(WIFSIGNALED(end.status)) << end.status;
    EXPECT_EQ(WTERMSIG(end.status), signal_number);
    EXPECT_THAT(end.errors, HasSubstr("PC: @")) << strsignal(signal_number);
    EXPECT_THAT(end.errors, HasSubstr("DieHere()")) << strsignal(signal_number);
    EXPECT_LT(end.errors.size(), 4096u);
  }
}

TEST_F(FailureHandlerTest, WorksOnAStackOverflow) {
  const End end = RunInChild([](int depth) { _exit(Recurse(depth)); }, 0);
  EXPECT_TRUE(WIFSIGNALED(end.status)) << end.status;
  EXPECT_EQ(WTERMSIG(end.status), SIGSEGV);
  EXPECT_THAT(end.errors, HasSubstr("Recurse()"));
}

TEST_F(FailureHandlerTest, TellsWhereTheSignalStruckAndNotTheHandler) {
  const End end = RunInChild([](int) { __builtin_trap(); }, 0);
  EXPECT_EQ(WTERMSIG(end.status), SIGILL);
  EXPECT_THAT(end.errors, Not(HasSubstr("SignalHandler()")));
  EXPECT_THAT(end.errors, HasSubstr("RunInChild()"));
}

TEST_F(FailureHandlerTest, SurvivesACallOfNothing) {
  const End end = RunInChild(
      [](int) {
        void (*volatile nothing)() = nullptr;
        nothing();
      },
      0);
  EXPECT_EQ(WTERMSIG(end.status), SIGSEGV);
  EXPECT_THAT(end.errors, HasSubstr("SIGSEGV"));
}

TEST_F(FailureHandlerTest, IsQuietWhenAskedToEnd) {
  const End end = RunInChild(DieHere, SIGTERM);
  EXPECT_EQ(WTERMSIG(end.status), SIGTERM);
  EXPECT_EQ(end.errors, "");
}

TEST_F(FailureHandlerTest, IsFast) {
  const absl::Time start = absl::Now();
  const End end = RunInChild(DieHere, SIGSEGV);
  const absl::Duration took = absl::Now() - start;
  RecordProperty("fork_to_end", absl::FormatDuration(took));
  EXPECT_LT(took, absl::Seconds(2));  // Generous: it takes some milliseconds.
}

}  // namespace
}  // namespace holdfast
