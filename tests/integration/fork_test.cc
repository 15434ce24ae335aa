// Forks are exact, whatever becomes of the session that was forked, and of its worker.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "tests/integration/misbehaving_service.h"

namespace holdfast {
namespace {

constexpr char kRestored[] = "holdfast_snapshots_total{outcome=\"restored\"}";
constexpr char kRefusedSteps[] = "holdfast_refused_steps_total";
constexpr char kDeaths[] = "holdfast_worker_failures_total{cause=\"signal\"}";

grpc::Status ForkOf(TestSession* session, int64_t* child) {
  compiler_gym::ForkSessionRequest request;
  request.set_session_id(session->id());
  compiler_gym::ForkSessionReply reply;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  grpc::Status status = session->stub().ForkSession(&context, request, &reply);
  *child = reply.session_id();
  return status;
}

// With sessions that take snapshots, and with others.
class ForkTest : public testing::TestWithParam<const char*> {
 protected:
  std::vector<std::string> With(std::vector<std::string> flags) {
    flags.push_back(absl::StrCat("--worker_flags=--snapshot_mode=", GetParam()));
    return flags;
  }
};

INSTANTIATE_TEST_SUITE_P(Snapshots, ForkTest, testing::Values("none", "right"),
                         [](const auto& mode) { return std::string(mode.param); });

TEST_P(ForkTest, ThousandForksOfOneSession) {
  constexpr int kForks = 1000;
  MisbehavingService service(With({"--max_workers=3", "--worker_reuse=1000"}));
  TestSession root(service, "benchmark://test/ok", "ok", /*action_space=*/1);
  ASSERT_TRUE(root.Step({7}).ok());
  // On the one connection of the root.
  std::vector<int64_t> forks(kForks);
  for (int64_t& fork : forks) ASSERT_TRUE(ForkOf(&root, &fork).ok());
  for (int i = 0; i < kForks; ++i) {
    const int64_t number = i % 100 + 1;
    compiler_gym::StepRequest request;
    request.set_session_id(forks[i]);
    request.add_action()->set_int64_value(number);
    request.add_observation_space(ObservationIndex(&root, "counter"));
    request.add_observation_space(ObservationIndex(&root, "actions"));
    compiler_gym::StepReply reply;
    grpc::ClientContext context;
    const grpc::Status status = root.stub().Step(&context, request, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(reply.observation(0).int64_value(), 7 + number);
    ASSERT_EQ(reply.observation(1).string_value(), absl::StrCat("7,", number));
  }
  EXPECT_EQ(StateOf(&root), "7 = 7");
  EXPECT_EQ(root.End(), kForks);
  EXPECT_EQ(service.Metric("holdfast_broken_invariants_total"), 0);
}

TEST_P(ForkTest, ForksOfForks) {
  constexpr int kDepth = 20;
  MisbehavingService service(With({"--max_workers=2"}));
  std::vector<TestSession> line;
  line.push_back(service.NewSession());
  for (int depth = 1; depth <= kDepth; ++depth) {
    line.push_back(line.back().Fork());
    ASSERT_TRUE(StepBy(&line.back(), {depth == 7 ? "slow_100ms" : "add_one"}).ok());
  }
  std::string names;
  int counter = 0;
  EXPECT_EQ(StateOf(&line[0]), " = 0");
  for (int depth = 1; depth <= kDepth; ++depth) {
    if (depth % 2 == 0) line[depth - 1].End();
    const bool is_slow = depth == 7;
    absl::StrAppend(&names, names.empty() ? "" : ",", is_slow ? "slow_100ms" : "add_one");
    counter += is_slow ? 0 : 1;
    EXPECT_EQ(StateOf(&line[depth]), absl::StrCat(names, " = ", counter));
  }
}

TEST_P(ForkTest, OutlivesItsParentThatEndsAtOnce) {
  MisbehavingService service(With({"--max_workers=2"}));
  for (const char* const action : {"add_one", "slow_100ms"}) {
    TestSession parent = service.NewSession();
    ASSERT_TRUE(StepBy(&parent, {"add_one", action}).ok());
    TestSession child = parent.Fork();
    parent.End();
    const bool is_one = action == std::string("add_one");
    ExpectState(&child, absl::StrCat("add_one,", action, " = ", is_one ? 2 : 1));
    EXPECT_EQ(child.End(), 0);
  }
}

TEST_P(ForkTest, OfAParkedSession) {
  MisbehavingService service(With({"--max_workers=1"}));
  TestSession parent = service.NewSession();
  ASSERT_TRUE(StepBy(&parent, {"add_one", "slow_100ms"}).ok());
  TestSession other = service.NewSession();  // Has the only worker now.
  TestSession child = parent.Fork();
  EXPECT_EQ(StateOf(&other), " = 0");
  ASSERT_TRUE(StepBy(&child, {"add_one"}).ok());
  ExpectState(&child, "add_one,slow_100ms,add_one = 2");
  ExpectState(&parent, "add_one,slow_100ms = 1");
}

TEST_P(ForkTest, WhileTheParentsWorkerDies) {
  MisbehavingService service(With({"--max_workers=3"}));
  TestSession parent = service.NewSession();
  std::string state = "slow_100ms";
  ASSERT_TRUE(StepBy(&parent, {"slow_100ms"}).ok());
  for (int round = 1; round <= 12; ++round) {
    ASSERT_TRUE(StepBy(&parent, {"add_one"}).ok());
    absl::StrAppend(&state, ",add_one");
    const pid_t worker = WorkerOf(&parent);
    // Right before the fork, at the same time, right after it.
    std::future<void> killing;
    if (round % 3 == 0) kill(worker, SIGKILL);
    if (round % 3 == 1) killing = std::async(std::launch::async, [=] { kill(worker, SIGKILL); });
    TestSession child = parent.Fork();
    if (round % 3 == 2) kill(worker, SIGKILL);
    if (killing.valid()) killing.get();
    EXPECT_EQ(StateOf(&child), absl::StrCat(state, " = ", round));
    EXPECT_EQ(StateOf(&parent), absl::StrCat(state, " = ", round));
    child.End();
  }
}

TEST_P(ForkTest, DuringAStepWaitsItsTurn) {
  MisbehavingService service(With({}));
  const Marker marker = service.NewMarker();
  TestSession parent = service.NewSession(marker);
  std::future<grpc::Status> step = StepLater(&parent, {"wait"});
  ASSERT_TRUE(marker.AwaitWaiting());
  int64_t id = 0;
  std::future<grpc::Status> fork =
      std::async(std::launch::async, [&] { return ForkOf(&parent, &id); });
  marker.Go();
  EXPECT_TRUE(step.get().ok());
  ASSERT_TRUE(fork.get().ok());
  TestSession child(service, id);
  EXPECT_EQ(StateOf(&child), "wait = 1");
}

TEST_P(ForkTest, DoesNotWaitForAWorker) {
  MisbehavingService service(With({"--max_workers=1"}));
  const Marker marker = service.NewMarker();
  TestSession parent = service.NewSession();
  ASSERT_TRUE(StepBy(&parent, {"add_one"}).ok());
  TestSession busy = service.NewSession(marker);
  std::future<grpc::Status> step = StepLater(&busy, {"wait"});
  ASSERT_TRUE(marker.AwaitWaiting());
  TestSession child = parent.Fork();
  std::future<grpc::Status> next = StepLater(&child, {"add_one"});
  EXPECT_TRUE(WaitUntil([&] { return service.Metric("holdfast_worker_requests_waiting") == 1; }));
  marker.Go();
  EXPECT_TRUE(step.get().ok());
  EXPECT_TRUE(next.get().ok());
  EXPECT_EQ(StateOf(&child), "add_one,add_one = 2");
}

TEST_P(ForkTest, InheritsPoisonedStepsAndParameters) {
  MisbehavingService service(With({}));
  TestSession parent = service.NewSession();
  ASSERT_TRUE(parent.SendParameter("set_counter", "41").ok());
  ASSERT_TRUE(StepBy(&parent, {"add_one"}).ok());
  EXPECT_EQ(StepBy(&parent, {"crash"}).error_code(), grpc::StatusCode::ABORTED);
  TestSession child = parent.Fork();
  const absl::optional<double> deaths = service.Metric(kDeaths);
  EXPECT_EQ(StepBy(&child, {"crash"}).error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(service.Metric(kRefusedSteps), 1) << "it was not tried again";
  EXPECT_EQ(service.Metric(kDeaths), deaths);
  ExpectState(&child, "add_one = 42");

  ASSERT_TRUE(child.SendParameter("service.refuse_poisoned_steps", "0").ok());
  TestSession grandchild = child.Fork();
  EXPECT_EQ(StepBy(&grandchild, {"crash"}).error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(service.Metric(kRefusedSteps), 1) << "it was tried";
  ExpectState(&grandchild, "add_one = 42");
}

// The snapshot for a fork waits for the test.
class PendingForkTest : public testing::Test {
 protected:
  PendingForkTest()
      : service_({"--warm_workers=2", "--worker_flags=--snapshot_mode=wait"}),
        marker_(service_.NewMarker()),
        parent_(service_.NewSession(marker_)) {
    EXPECT_TRUE(StepBy(&parent_, {"add_one"}).ok());
    worker_ = WorkerOf(&parent_);
    EXPECT_TRUE(StepBy(&parent_, {"slow_100ms"}).ok());
  }

  MisbehavingService service_;
  const Marker marker_;
  TestSession parent_;
  pid_t worker_ = 0;
};

TEST_F(PendingForkTest, ParentMayEndAtOnce) {
  TestSession child = parent_.Fork();
  ASSERT_TRUE(marker_.AwaitWaiting());
  TestSession second = parent_.Fork();
  parent_.End();
  std::future<grpc::Status> step = StepLater(&child, {"add_one"});
  marker_.Go();
  EXPECT_TRUE(step.get().ok());
  EXPECT_EQ(StateOf(&child), "add_one,slow_100ms,add_one = 2");
  EXPECT_EQ(StateOf(&second), "add_one,slow_100ms = 1");
  EXPECT_EQ(service_.Metric(kRestored), 2);
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(worker_); })) << "the worker of the parent is left";
}

TEST_F(PendingForkTest, WorkerMayDie) {
  TestSession child = parent_.Fork();
  ASSERT_TRUE(marker_.AwaitWaiting());
  kill(worker_, SIGKILL);
  // It is tried again for the next fork, and finds the marker.
  marker_.Go();
  EXPECT_EQ(StateOf(&child), "add_one,slow_100ms = 1");
  EXPECT_EQ(StateOf(&parent_), "add_one,slow_100ms = 1");
}

TEST_F(PendingForkTest, CallsOfOthersGoOn) {
  TestSession child = parent_.Fork();
  ASSERT_TRUE(marker_.AwaitWaiting());
  TestSession other = service_.NewSession();
  EXPECT_TRUE(StepBy(&other, {"add_one"}).ok());
  child.End();
  TestSession second = parent_.Fork();
  second.End();
  marker_.Go();
  EXPECT_EQ(StateOf(&parent_), "add_one,slow_100ms = 1");
}

}  // namespace
}  // namespace holdfast
