// Benchmarks with commands in a real service: what a recovery and a fork keep.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/integration/llvm_fixture.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

class LlvmCommandsTest : public LlvmTest {
 protected:
  LlvmCommandsTest() : LlvmTest({"--allow_benchmark_commands"}) {}

  // A session of the compressor, with `run` as its run command.
  TestSession NewRunnable(const std::string& run) {
    compiler_gym::StartSessionRequest request;
    compiler_gym::StartSessionReply reply;
    request.set_action_space(action_spaces_.at("passes"));
    compiler_gym::Benchmark& benchmark = *request.mutable_benchmark();
    benchmark.set_uri("benchmark://holdfast-v0/runnable");
    benchmark.mutable_program()->set_contents(Compressor());
    compiler_gym::BenchmarkDynamicConfig& commands = *benchmark.mutable_dynamic_config();
    commands.mutable_build_cmd()->add_argument("$CC $IN -o a.out");
    commands.mutable_build_cmd()->add_outfile("a.out");
    commands.mutable_run_cmd()->add_argument(run);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    const grpc::Status status = service_.NewClient()->StartSession(&context, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return TestSession(service_, reply.session_id());
  }
  int Runs(TestSession* session) {
    return session->Observe(observations_.at("Runtime")).double_tensor().value_size();
  }
};

TEST_F(LlvmCommandsTest, ARecoveredAndAForkedSessionMeasureLikeTheFirst) {
  TestSession session = NewRunnable("./a.out");
  ASSERT_TRUE(session.Step({Action("passes", "sroa")}).ok());
  std::string reply;
  ASSERT_TRUE(session.SendParameter("llvm.set_runtimes_per_observation_count", "3", &reply).ok());
  EXPECT_EQ(reply, "3");
  EXPECT_EQ(Runs(&session), 3);
  const int64_t size = session.Observe(observations_.at("TextSizeBytes")).int64_value();
  EXPECT_GT(size, 0);
  ASSERT_TRUE(session.Step({Action("passes", "gvn")}).ok());
  ASSERT_TRUE(session.Step({Action("passes", "gvn")}).ok());

  for (const pid_t worker : service_.workers()) kill(worker, SIGKILL);
  ASSERT_TRUE(session.Step({Action("passes", "gvn")}).ok());
  EXPECT_EQ(Runs(&session), 3);

  TestSession child = session.Fork();
  ASSERT_TRUE(child.SendParameter("llvm.get_runtimes_per_observation_count", "", &reply).ok());
  EXPECT_EQ(reply, "3");
  EXPECT_EQ(Runs(&child), 3);
  EXPECT_EQ(child.Observe(observations_.at("TextSizeBytes")).int64_value(),
            session.Observe(observations_.at("TextSizeBytes")).int64_value());
  EXPECT_FALSE(session.SendParameter("llvm.set_runtimes_per_observation_count", "0").ok());
  EXPECT_EQ(Runs(&session), 3);
}

TEST_F(LlvmCommandsTest, AFailedRunLeavesTheSessionAndItsWorker) {
  TestSession session = NewRunnable("sleep 1000 & setsid sleep 1000 & exit 7");
  const std::vector<pid_t> workers = service_.workers();
  EXPECT_EQ(session.Step({}, {observations_.at("Runtime")}).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT)
      << "the benchmark is wrong";
  ASSERT_TRUE(session.Step({Action("passes", "sroa")}).ok());
  const std::string before = State(&session);
  const grpc::Status status = session.Step({}, {observations_.at("Runtime")});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL) << "or the passes are";
  EXPECT_EQ(status.error_message(), "run_cmd exited with code 7: ");
  EXPECT_EQ(State(&session), before);
  EXPECT_EQ(service_.workers(), workers);
  for (const pid_t worker : workers) EXPECT_TRUE(ChildrenOf(worker).empty());
}

}  // namespace
}  // namespace holdfast
