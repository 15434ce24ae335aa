// What a session is rebuilt from, and calls that come before there is a worker.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

constexpr char kExampleWorker[] = "worker/example/example_worker";
constexpr char kMisbehavingWorker[] = "tests/testcases/misbehaving_worker";
constexpr char kUri[] = "benchmark://example-v0/program";

// Of the example worker.
enum Pass { kFold, kFoldMoves, kClean, kExpand };
enum ObservationIndex { kText };

class RecoveryTest : public testing::Test {
 protected:
  // Without warm workers each worker belongs to a session.
  RecoveryTest() : service_(kExampleWorker, {"--warm_workers=0", "--benchmark_cache_bytes=2000"}) {}

  void KillWorkers() {
    const std::vector<pid_t> workers = service_.workers();
    EXPECT_FALSE(workers.empty());
    for (const pid_t worker : workers) kill(worker, SIGKILL);
    for (const pid_t worker : workers) EXPECT_TRUE(WaitUntil([&] { return !IsAlive(worker); }));
  }
  // Whether the service still knows the benchmark.
  bool IsCached(const std::string& uri) {
    const auto client = service_.NewClient();
    int64_t id = 0;
    const grpc::Status status = StartSession(client.get(), uri, 0, &id);
    if (status.ok()) TestSession(service_, id).End();
    return status.ok();
  }

  ServiceProcess service_;
};

TEST_F(RecoveryTest, SessionOutlivesTheEvictionOfItsBenchmark) {
  TestSession session(service_, kUri, "+.-<>");
  ASSERT_TRUE(session.Step({kClean}).ok());
  const auto client = service_.NewClient();
  for (int i = 0; IsCached(kUri); ++i) {
    ASSERT_LT(i, 200) << "is never evicted";
    ASSERT_TRUE(
        AddBenchmark(client.get(), absl::StrCat("benchmark://filler/", i), std::string(400, '+'))
            .ok());
  }
  KillWorkers();
  compiler_gym::StepReply reply;
  EXPECT_TRUE(session.Step({kFold}, {kText}, &reply).ok());
  EXPECT_EQ(reply.observation(0).string_value(), "<>");
}

TEST_F(RecoveryTest, AnotherProgramOfTheSameUriIsNotThatOfARunningSession) {
  TestSession session(service_, kUri, "+.-<>");
  ASSERT_TRUE(session.Step({kClean}).ok());
  TestSession other(service_, kUri, "TTT");
  TestSession fork = session.Fork();
  KillWorkers();
  EXPECT_EQ(session.Observe(kText).string_value(), "+-<>");
  EXPECT_EQ(other.Observe(kText).string_value(), "TTT");
  EXPECT_EQ(fork.Observe(kText).string_value(), "+-<>");
}

TEST_F(RecoveryTest, ParametersAreAppliedAgainInTheirPlace) {
  TestSession session(service_, kUri, "+-+-+-<><><>");
  ASSERT_TRUE(session.Step({kFold}).ok());
  EXPECT_TRUE(session.SendParameter("example.max_rewrites", "1").ok());
  ASSERT_TRUE(session.Step({kFoldMoves}).ok());
  KillWorkers();
  EXPECT_EQ(session.Observe(kText).string_value(), "<><>");
}

TEST(KillAllTest, WorkersThatDieTogetherLoseNoSession) {
  // The idle ones may be lent before it is known that they are dead, too.
  constexpr int kWarm = 6;
  ServiceProcess service(kExampleWorker, {absl::StrCat("--warm_workers=", kWarm)});
  TestSession session(service, kUri, "+.-<>");
  ASSERT_TRUE(session.Step({kClean}).ok());
  for (int round = 0; round < 10; ++round) {
    EXPECT_TRUE(
        WaitUntil([&] { return service.Metric("holdfast_workers{state=\"idle\"}") == kWarm; }));
    for (const pid_t worker : service.workers()) kill(worker, SIGKILL);
    compiler_gym::StepReply reply;
    const grpc::Status status = session.Step({}, {kText}, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(reply.observation(0).string_value(), "+-<>");
  }
}

TEST(FirstCallTest, WaitsForAWorkerInsteadOfFailing) {
  // Workers that take a second to start: the service listens long before.
  ServiceProcess service(kMisbehavingWorker, {"--worker_flags=--start_mode=slow"});
  const auto client = service.NewClient();
  int action_spaces = 0;
  const grpc::Status status = GetSpaces(client.get(), &action_spaces);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(action_spaces, 2);
  grpc::ClientContext context;
  compiler_gym::GetVersionReply version;
  EXPECT_TRUE(client->GetVersion(&context, {}, &version).ok());
  EXPECT_EQ(version.compiler_version(), "misbehaving 1.0");
}

TEST(FirstCallTest, MayBeAStartSession) {
  ServiceProcess service(kMisbehavingWorker, {"--worker_flags=--start_mode=slow"});
  TestSession session(service, kUri, "ok");
  EXPECT_EQ(session.Observe(0).int64_value(), 0);
}

}  // namespace
}  // namespace holdfast
