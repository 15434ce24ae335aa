// The LLVM worker in a real service: crashes of a real compiler, on a real program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/integration/llvm_fixture.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

TEST_F(LlvmTest, PassesAllIsSpaceZeroAsTheReferenceClientNeedsIt) {
  EXPECT_EQ(action_spaces_.at("PassesAll"), 0);
}

TEST_F(LlvmTest, KilledAfterTwentyPassesTheSessionGoesOnAndOthersNoticeNothing) {
  const std::vector<int64_t> actions = RandomPasses(20);
  TestSession undisturbed = NewSession("passes");
  const std::vector<pid_t> others = service_.workers();
  TestSession disturbed = NewSession("passes");
  for (TestSession* session : {&undisturbed, &disturbed}) {
    for (const int64_t action : actions) ASSERT_TRUE(session->Step({action}).ok());
  }
  pid_t victim = 0;
  for (const pid_t worker : service_.workers()) {
    if (std::find(others.begin(), others.end(), worker) == others.end()) victim = worker;
  }
  ASSERT_NE(victim, 0);
  kill(victim, SIGKILL);
  compiler_gym::StepReply reply;
  const int64_t last = Action("passes", "instcombine<no-verify-fixpoint>");
  const grpc::Status status =
      disturbed.Step({last}, {observations_.at("Ir"), observations_.at("InstCount")}, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_TRUE(undisturbed.Step({last}).ok());
  EXPECT_EQ(reply.observation(0).string_value(),
            undisturbed.Observe(observations_.at("Ir")).string_value());
  EXPECT_EQ(reply.observation(1).ShortDebugString(),
            undisturbed.Observe(observations_.at("InstCount")).ShortDebugString());
  for (const pid_t worker : others) EXPECT_TRUE(IsAlive(worker)) << "another session's worker";
}

TEST_F(LlvmTest, PassThatCrashesIsAbortedAndTheNextGoodOneWorks) {
  TestSession other = NewSession("passes");
  TestSession session = NewSession("unsafe");
  const auto& names = passes_.at(action_spaces_.at("unsafe")).name();
  ASSERT_TRUE(session.Step({Action("unsafe", "sroa")}).ok());
  const std::string before = State(&session);
  for (const char* crasher : {"trigger-crash-module", "trigger-crash-function", "codegenprepare"}) {
    if (std::find(names.begin(), names.end(), crasher) == names.end()) continue;
    const grpc::Status status = session.Step({Action("unsafe", crasher)});
    EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED) << crasher;
    EXPECT_THAT(status.error_message(), HasSubstr(crasher));
    const absl::optional<WorkerFailure> failure = FailureOf(status);
    ASSERT_TRUE(failure.has_value());
    EXPECT_EQ(failure->attempts(), 2);
    EXPECT_EQ(failure->actions_applied(), 1);
    EXPECT_TRUE(other.Step({Action("passes", "gvn")}).ok());
  }
  EXPECT_EQ(State(&session), before);
  EXPECT_TRUE(session.Step({Action("unsafe", "sroa")}).ok());
}

TEST_F(LlvmTest, ForkOfAnOptimisedSessionIsEqual) {
  TestSession parent = NewSession("passes");
  ASSERT_TRUE(parent.Step(RandomPasses(5)).ok());
  TestSession child = parent.Fork();
  EXPECT_EQ(State(&child), State(&parent));
  EXPECT_EQ(parent.End(), 1);
  EXPECT_TRUE(child.Step(RandomPasses(3)).ok());
}

TEST_F(LlvmTest, ProgramThatDoesNotCompileIsTheClientsError) {
  const auto client = service_.NewClient();
  ASSERT_TRUE(AddBenchmark(client.get(), "benchmark://holdfast-v0/bad", "int main( {").ok());
  int64_t id = 0;
  const grpc::Status status = StartSession(client.get(), "benchmark://holdfast-v0/bad", 0, &id);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("expected"));
}

}  // namespace
}  // namespace holdfast
