// Whatever goes wrong with its snapshots, a session is right, and nobody waits for long.
#include <gtest/gtest.h>
#include <signal.h>

#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/misbehaving_service.h"

namespace holdfast {
namespace {

std::string Snapshots(const std::string& outcome) {
  return absl::StrCat("holdfast_snapshots_total{outcome=\"", outcome, "\"}");
}

class SnapshotService : public MisbehavingService {
 public:
  explicit SnapshotService(const std::string& mode, std::vector<std::string> flags = {})
      : MisbehavingService(With(mode, std::move(flags))) {}

 private:
  static std::vector<std::string> With(const std::string& mode, std::vector<std::string> flags) {
    flags.push_back(absl::StrCat("--worker_flags=--snapshot_mode=", mode));
    return flags;
  }
};

struct Misbehaviour {
  const char* mode;
  const char* outcome;  // That the metric must show; empty: none.
  int at_least;
};

class SnapshotFailureTest : public testing::TestWithParam<Misbehaviour> {};

INSTANTIATE_TEST_SUITE_P(
    Modes, SnapshotFailureTest,
    testing::Values(Misbehaviour{"fail", "failed", 1}, Misbehaviour{"crash", "failed", 2},
                    Misbehaviour{"huge", "failed", 1}, Misbehaviour{"garbage", "refused", 1},
                    Misbehaviour{"crash_in_restore", "taken", 1},
                    Misbehaviour{"other_state", "refused", 1}),
    [](const auto& misbehaviour) { return std::string(misbehaviour.param.mode); });

TEST_P(SnapshotFailureTest, SessionsAreRightAllTheSame) {
  // Each session has to give up the only worker for the next.
  SnapshotService service(GetParam().mode,
                          {"--max_workers=1", "--max_message_bytes=16777216", "--park_after=0"});
  TestSession parent = service.NewSession();
  ASSERT_TRUE(StepBy(&parent, {"add_one", "slow_100ms"}).ok());
  TestSession child = parent.Fork();
  for (TestSession* session : {&child, &parent}) {
    const grpc::Status status = StepBy(session, {"slow_100ms", "add_one"});
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  for (TestSession* session : {&child, &parent}) {
    ExpectState(session, "add_one,slow_100ms,slow_100ms,add_one = 2");
  }
  EXPECT_GE(service.Metric(Snapshots(GetParam().outcome)), GetParam().at_least);
  EXPECT_EQ(service.Metric(Snapshots("restored")), 0);
  EXPECT_EQ(service.Metric("holdfast_sessions{state=\"lost\"}"), 0);
  EXPECT_EQ(service.Metric("holdfast_broken_invariants_total"), 0);
}

TEST(HangingSnapshotTest, EndsWithTheStepTimeoutAtTheLatest) {
  SnapshotService service("hang", {"--step_timeout=1s"});
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one", "slow_100ms"}).ok());
  TestSession child = session.Fork();  // Waits for it, for as long as for a step.
  EXPECT_EQ(StateOf(&session), "add_one,slow_100ms = 1");
  ExpectState(&child, "add_one,slow_100ms = 1");
  EXPECT_EQ(service.Metric(Snapshots("failed")), 1) << "forks do not try again";
}

TEST(HangingSnapshotTest, DoesNotTakeTheWholeStepTimeout) {
  SnapshotService service("hang", {"--step_timeout=1h"});
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one", "slow_100ms"}).ok());
  TestSession child = session.Fork();
  EXPECT_EQ(StateOf(&session), "add_one,slow_100ms = 1");
  EXPECT_EQ(StateOf(&child), "add_one,slow_100ms = 1");
}

TEST(HangingRestoreTest, LeavesTheCallTimeForAReplay) {
  // Without a spare worker on which the fork is built ahead of its first call.
  SnapshotService service("hang_in_restore", {"--warm_workers=0"});
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one", "slow_100ms"}).ok());
  TestSession child = session.Fork();
  ExpectState(&child, "add_one,slow_100ms = 1");
  EXPECT_GE(service.Metric(Snapshots("taken")), 1);
}

TEST(HangingRestoreTest, FailsACallWithoutTimeForMore) {
  SnapshotService service("hang_in_restore", {"--step_timeout=1s", "--warm_workers=0"});
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one", "slow_100ms"}).ok());
  TestSession child = session.Fork();
  const grpc::Status first = StepBy(&child, {"add_one"});
  EXPECT_EQ(first.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << first.error_message();
  EXPECT_EQ(StateOf(&child), "add_one,slow_100ms = 1");
}

TEST(LargeSnapshotTest, IsNotHeldBeyondTheLimit) {
  SnapshotService service("huge", {"--checkpoint_bytes=1048576"});
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one", "slow_100ms"}).ok());
  TestSession child = session.Fork();
  ExpectState(&child, "add_one,slow_100ms = 1");
  ExpectState(&session, "add_one,slow_100ms = 1");
  EXPECT_GE(service.Metric("holdfast_checkpoints_dropped_total"), 1);
  EXPECT_EQ(service.Metric("holdfast_checkpoint_bytes"), 0);
}

// The end of a service, with parked sessions, forks that wait and snapshots under way.
TEST(SnapshotAtTheEndTest, NothingIsLeftBehind) {
  SnapshotService service("wait", {"--max_workers=3", "--drain_timeout=100ms"});
  const Marker marker = service.NewMarker();
  std::vector<TestSession> parked;
  for (int i = 0; i < 5; ++i) parked.push_back(service.NewSession());
  TestSession first = service.NewSession(marker);
  TestSession second = service.NewSession(marker);
  ASSERT_TRUE(StepBy(&first, {"slow_100ms"}).ok());
  ASSERT_TRUE(StepBy(&second, {"slow_100ms"}).ok());
  TestSession child = first.Fork();
  const TestSession second_child = second.Fork();
  ASSERT_TRUE(marker.AwaitWaiting(2));
  first.End();  // Its worker is kept until the snapshot is there.
  std::future<grpc::Status> step = StepLater(&child, {"add_one"});
  std::future<grpc::Status> second_step = StepLater(&second, {"add_one"});
  ASSERT_TRUE(WaitUntil([&] { return service.Metric("holdfast_inflight_bytes") > 0; }));
  EXPECT_EQ(service.Terminate(), absl::optional<int>(0));
  EXPECT_FALSE(step.get().ok());
  EXPECT_FALSE(second_step.get().ok());
}

}  // namespace
}  // namespace holdfast
