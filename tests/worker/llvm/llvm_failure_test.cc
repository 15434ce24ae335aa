// What is left on stderr when LLVM ends the process, with the worker's own handlers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <iostream>
#include <string>

#include "absl/base/config.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "tests/worker/failing_child.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

using testing::HasSubstr;

// Each function calls the one before it twice, and all must be inlined: 2^levels copies.
std::string MemoryBomb(int levels) {
  std::string source =
      "void g(void); static inline __attribute__((always_inline)) void f0(void) { g(); }\n";
  for (int i = 1; i <= levels; ++i) {
    absl::StrAppend(&source, "static inline __attribute__((always_inline)) void f", i, "(void) { f",
                    i - 1, "(); f", i - 1, "(); }\n");
  }
  absl::StrAppend(&source, "void f(void) { f", levels, "(); }\n");
  return source;
}

class LlvmFailureTest : public testing::Test {
 protected:
  void SetUp() override {
#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
    GTEST_SKIP() << "sanitizers handle signals and memory themselves";
#endif
  }
};

TEST_F(LlvmFailureTest, ACrashNamesThePlaceWithinMilliseconds) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("unsafe", DemoProgram("calculator.c")).ok());
  const ChildEnd end = RunInChild([&] { (void)session.Step("trigger-crash-function"); });
  ASSERT_TRUE(WIFSIGNALED(end.status)) << end.status;
  EXPECT_EQ(WTERMSIG(end.status), SIGABRT);
  EXPECT_THAT(end.errors, HasSubstr("llvm::ModuleToFunctionPassAdaptor::run()"));
  EXPECT_LT(end.errors.size(), 4096u) << "what the front keeps";
  std::cout << "from fork to end: " << end.took << ", " << end.errors.size() << " bytes\n";
  EXPECT_LT(end.took, absl::Seconds(2));  // Generous.
}

TEST_F(LlvmFailureTest, AFatalErrorLeavesItsMessage) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("unsafe", DemoProgram("calculator.c")).ok());
  const ChildEnd end = RunInChild([&] { (void)session.Step("instcombine"); });
  EXPECT_TRUE(WIFEXITED(end.status)) << end.status;
  EXPECT_EQ(WEXITSTATUS(end.status), 1);
  EXPECT_THAT(end.errors, HasSubstr("LLVM ERROR: "));
}

TEST_F(LlvmFailureTest, RunningOutOfMemorySaysSo) {
  SessionUnderTest session;
  ASSERT_TRUE(session.Init("passes", MemoryBomb(27)).ok());
  const ChildEnd end = RunInChild([&] {
    const rlimit limit{rlim_t{512} << 20, rlim_t{512} << 20};
    setrlimit(RLIMIT_AS, &limit);
    (void)session.Step("always-inline");
  });
  ASSERT_TRUE(WIFSIGNALED(end.status)) << end.status << end.errors;
  EXPECT_EQ(WTERMSIG(end.status), SIGABRT);
  EXPECT_THAT(end.errors, HasSubstr("LLVM ERROR: out of memory"));
}

}  // namespace
}  // namespace holdfast::llvm_session
