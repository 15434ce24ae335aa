#include "worker/failure_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/base/config.h"
#include "absl/time/time.h"
#include "tests/worker/failing_child.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

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
    const ChildEnd end = RunInChild([&] { DieHere(signal_number); });
    EXPECT_TRUE(WIFSIGNALED(end.status)) << end.status;
    EXPECT_EQ(WTERMSIG(end.status), signal_number);
    EXPECT_THAT(end.errors, HasSubstr("PC: @")) << strsignal(signal_number);
    EXPECT_THAT(end.errors, HasSubstr("DieHere()")) << strsignal(signal_number);
    EXPECT_LT(end.errors.size(), 4096u);
  }
}

TEST_F(FailureHandlerTest, WorksOnAStackOverflow) {
  const ChildEnd end = RunInChild([] { _exit(Recurse(0)); });
  EXPECT_TRUE(WIFSIGNALED(end.status)) << end.status;
  EXPECT_EQ(WTERMSIG(end.status), SIGSEGV);
  EXPECT_THAT(end.errors, HasSubstr("Recurse()"));
}

TEST_F(FailureHandlerTest, TellsWhereTheSignalStruckAndNotTheHandler) {
  const ChildEnd end = RunInChild([] { __builtin_trap(); });
  EXPECT_EQ(WTERMSIG(end.status), SIGILL);
  EXPECT_THAT(end.errors, Not(HasSubstr("SignalHandler()")));
  EXPECT_THAT(end.errors, HasSubstr("RunInChild()"));
}

TEST_F(FailureHandlerTest, SurvivesACallOfNothing) {
  const ChildEnd end = RunInChild([] {
    void (*volatile nothing)() = nullptr;
    nothing();
  });
  EXPECT_EQ(WTERMSIG(end.status), SIGSEGV);
  EXPECT_THAT(end.errors, HasSubstr("SIGSEGV"));
}

// Names cannot be looked up then.
TEST_F(FailureHandlerTest, EndsWithoutMemory) {
  const ChildEnd end = RunInChild([] {
    const rlimit nothing{0, 0};
    setrlimit(RLIMIT_AS, &nothing);
    DieHere(SIGABRT);
  });
  EXPECT_TRUE(WIFSIGNALED(end.status)) << end.status;
  EXPECT_EQ(WTERMSIG(end.status), SIGABRT);
  EXPECT_THAT(end.errors, HasSubstr("SIGABRT"));
}

TEST_F(FailureHandlerTest, IsQuietWhenAskedToEnd) {
  const ChildEnd end = RunInChild([] { DieHere(SIGTERM); });
  EXPECT_EQ(WTERMSIG(end.status), SIGTERM);
  EXPECT_EQ(end.errors, "");
}

TEST_F(FailureHandlerTest, IsFast) {
  const ChildEnd end = RunInChild([] { DieHere(SIGSEGV); });
  RecordProperty("fork_to_end", absl::FormatDuration(end.took));
  EXPECT_LT(end.took, absl::Seconds(2));  // Generous: it takes some milliseconds.
}

}  // namespace
}  // namespace holdfast
