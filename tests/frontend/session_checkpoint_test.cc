// Sessions that are snapshotted, forked and parked, on fake workers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/frontend/session_fixture.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CheckpointedSessionTest : public SessionTest {
 protected:
  CheckpointedSessionTest() { abilities_.takes_snapshots = true; }
  ~CheckpointedSessionTest() override {
    for (const auto& fork : forks_) fork->End();
    forks_.clear();
  }

  // On worker 1, after one step of which a snapshot, "one", is held.
  void TakeSnapshotOnWorker1(const std::string& fingerprint = "") {
    StartOnWorker1();
    const ResultPtr step = Step({1});
    AnswerLongStep(1, 1);
    EXPECT_TRUE(step->status.ok()) << "the answer does not wait";
    ASSERT_EQ(Asked(1), "snapshot");
    AnswerSnapshot(1, "one", fingerprint);
    ASSERT_EQ(Asked(1), "");
    ASSERT_THAT(snapshots_, ElementsAre(SnapshotOutcome::kTaken));
    snapshots_.clear();
  }
  // After a step each.
  void FailSnapshotsOnWorker1(int count) {
    for (int i = 0; i < count; ++i) {
      Step({1});
      AnswerLongStep(1, 1);
      ASSERT_EQ(Asked(1), "snapshot");
      AnswerError(1, grpc::StatusCode::INTERNAL, Applied(0));
    }
  }
  // A worker that becomes ready is given the snapshot, then the steps after it, of one action each.
  void RestoreOn(uint64_t worker, const std::vector<std::string>& steps) {
    BecomeReady(worker);
    ASSERT_EQ(Asked(worker), "restore one");
    AnswerRestore(worker);
    for (const std::string& step : steps) {
      ASSERT_EQ(Asked(worker), step);
      AnswerStep(worker, 1);
    }
  }
  // Another's checkpoint, worth more than all that is held, which is one and has to go.
  std::shared_ptr<Checkpoint> TakeAllRoom() {
    RebuildCosts dear;
    dear.head = absl::Hours(1e9);
    HeldSnapshot large;
    large.set_snapshot(std::string((1 << 20) - 5, 'x'));
    std::shared_ptr<Checkpoint> taken = checkpoints_.Add(1, dear, std::move(large));
    EXPECT_NE(taken, nullptr);
    EXPECT_EQ(checkpoints_.GetStats().dropped, 1);
    return taken;
  }
  std::shared_ptr<Session> Fork() {
    const size_t count = forks_.size();
    session_->Fork(8, kCaller, [&](const grpc::Status& status, std::shared_ptr<Session> forked) {
      fork_status_ = status;
      if (forked != nullptr) forks_.push_back(std::move(forked));
    });
    Settle();
    return forks_.size() > count ? forks_.back() : nullptr;
  }
  ResultPtr StepOf(const std::shared_ptr<Session>& session, const std::vector<int64_t>& actions) {
    const std::shared_ptr<Session> previous = std::exchange(session_, session);
    ResultPtr result = Step(actions);
    session_ = previous;
    return result;
  }

  grpc::Status fork_status_;
  std::vector<std::shared_ptr<Session>> forks_;
};

TEST_F(CheckpointedSessionTest, RecoveryRestoresTheSnapshotAndReplaysTheTail) {
  TakeSnapshotOnWorker1();
  StepOn(1, {2});
  Exit(1, SIGKILL);
  const ResultPtr next = Step({3});
  RestoreOn(2, {"step 2", "step 3"});
  EXPECT_TRUE(next->status.ok());
  EXPECT_THAT(snapshots_, ElementsAre(SnapshotOutcome::kRestored));
}

TEST_F(CheckpointedSessionTest, CallsWaitForTheSnapshot) {
  StartOnWorker1();
  Step({1});
  AnswerLongStep(1, 1);
  ASSERT_EQ(Asked(1), "snapshot");
  const ResultPtr next = Step({2});
  EXPECT_EQ(Asked(1), "snapshot");
  AnswerSnapshot(1, "one");
  EXPECT_EQ(Asked(1), "step 2");
  AnswerStep(1, 1);
  EXPECT_TRUE(next->status.ok());
}

TEST_F(CheckpointedSessionTest, CheapStepsTakeNoSnapshot) {
  StartOnWorker1();
  StepOn(1, {1});
  EXPECT_EQ(Asked(1), "");
}

TEST_F(CheckpointedSessionTest, SnapshotIsNotAskedForOfATypeThatTakesNone) {
  abilities_.takes_snapshots = false;
  StartOnWorker1();
  Step({1});
  AnswerLongStep(1, 1);
  EXPECT_EQ(Asked(1), "");
}

TEST_F(CheckpointedSessionTest, SessionThatHasNoSnapshotOfAStateIsAskedForOneOfAnother) {
  StartOnWorker1();
  for (int i = 0; i < 3; ++i) {
    Step({1});
    AnswerLongStep(1, 1);
    ASSERT_EQ(Asked(1), "snapshot");
    if (i == 1) {
      Answer(1, SnapshotReply(), Applied(0));
    } else {
      AnswerError(1, grpc::StatusCode::INTERNAL, Applied(0));
    }
    ASSERT_EQ(Asked(1), "") << "not of the same state";
  }
  Step({2});
  AnswerLongStep(1, 1);
  EXPECT_EQ(Asked(1), "") << "not for ever";
  EXPECT_EQ(snapshots_, std::vector<SnapshotOutcome>(3, SnapshotOutcome::kFailed));
  EXPECT_THAT(failures_, IsEmpty());
}

TEST_F(CheckpointedSessionTest, SnapshotWithoutRoomDoesNotReplaceTheOneThatIsHeld) {
  TakeSnapshotOnWorker1();
  Step({2});
  AnswerLongStep(1, 1);
  ASSERT_EQ(Asked(1), "snapshot");
  AnswerSnapshot(1, std::string(2 << 20, 'x'));
  EXPECT_THAT(snapshots_, ElementsAre(SnapshotOutcome::kFailed));
  Exit(1, SIGKILL);
  const ResultPtr next = Step({3});
  RestoreOn(2, {"step 2", "step 3"});
  EXPECT_TRUE(next->status.ok());
}

// It is as dear to rebuild as if there never had been one.
TEST_F(CheckpointedSessionTest, SessionWhoseSnapshotWasDroppedIsNotParkedAsCheap) {
  TakeSnapshotOnWorker1();
  const auto other = TakeAllRoom();
  session_->ParkIfIdleSince(absl::Now());
  EXPECT_EQ(Asked(1), "snapshot") << "another, before it goes";
}

TEST_F(CheckpointedSessionTest, SessionInACallTakesASnapshotBeforeItGives) {
  StartOnWorker1();
  StepOn(1, {1});
  Step({1});
  AnswerLongStep(1, 1);
  ASSERT_EQ(Asked(1), "snapshot");
  AnswerSnapshot(1, "one");
  const ResultPtr step = Step({2});
  EXPECT_TRUE(session_->AskBack());
  AnswerLongStep(1, 1);
  EXPECT_TRUE(step->done);
  ASSERT_EQ(Asked(1), "snapshot");
  AnswerSnapshot(1, "two");
  EXPECT_EQ(session_->state(), SessionState::kParked);
}

TEST_F(CheckpointedSessionTest, SessionThatIsNoMoreAskedKeepsItsWorker) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  EXPECT_TRUE(session_->AskBack());
  session_->Withdraw();
  AnswerStep(1, 1);
  EXPECT_TRUE(step->status.ok());
  EXPECT_EQ(session_->state(), SessionState::kResident);
}

TEST_F(CheckpointedSessionTest, WorkerThatDiesInASnapshotCostsARecovery) {
  StartOnWorker1();
  Step({1});
  AnswerLongStep(1, 1);
  ASSERT_EQ(Asked(1), "snapshot");
  const ResultPtr next = Step({2});
  Crash(1);
  ReplayOn(2, {{"step 1", 1}});
  ASSERT_EQ(Asked(2), "step 2");
  AnswerStep(2, 1);
  EXPECT_TRUE(next->status.ok());
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(failures_[0].during(), "Snapshot");
}

TEST_F(CheckpointedSessionTest, SnapshotHasNoMoreTimeThanARebuildAndIsNotTriedAgain) {
  environment_.step_timeout = absl::Hours(100);
  StartOnWorker1();
  Step({1});
  AnswerLongStep(1, 1);
  ASSERT_EQ(Asked(1), "snapshot");
  const absl::Duration given = client(1).calls().front().deadline - absl::Now();
  EXPECT_GT(given, absl::Minutes(59));
  EXPECT_LT(given, absl::Hours(2));
  const ResultPtr next = Step({2});
  AnswerError(1, grpc::StatusCode::DEADLINE_EXCEEDED, absl::nullopt);
  Exit(1, SIGKILL);
  ReplayOn(2, {{"step 1", 1}});
  ASSERT_EQ(Asked(2), "step 2");
  AnswerLongStep(2, 1);
  EXPECT_TRUE(next->status.ok());
  EXPECT_EQ(Asked(2), "");
  EXPECT_THAT(snapshots_, ElementsAre(SnapshotOutcome::kFailed));
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(failures_[0].cause(), WorkerFailure::TIME_LIMIT);
  EXPECT_EQ(failures_[0].limit_flag(), "");
}

TEST_F(CheckpointedSessionTest, SnapshotThatIsTooLargeIsNotTriedAgain) {
  StartOnWorker1();
  Step({1});
  AnswerLongStep(1, 1);
  ASSERT_EQ(Asked(1), "snapshot");
  const ResultPtr next = Step({2});
  AnswerError(1, grpc::StatusCode::RESOURCE_EXHAUSTED, absl::nullopt);
  ReplayOn(2, {{"step 1", 1}});
  AnswerLongStep(2, 1);
  EXPECT_TRUE(next->status.ok());
  EXPECT_EQ(Asked(2), "");
}

TEST_F(CheckpointedSessionTest, ForkKnowsThatSnapshotsFail) {
  StartOnWorker1();
  FailSnapshotsOnWorker1(3);
  const auto child = Fork();
  const ResultPtr step = StepOf(child, {5});
  ReplayOn(2, {{"step 1", 1}, {"step 1", 1}, {"step 1", 1}});
  AnswerLongStep(2, 1);
  EXPECT_TRUE(step->status.ok());
  EXPECT_EQ(Asked(2), "");
}

TEST_F(CheckpointedSessionTest, ForkThatWaitedForASnapshotKnowsThatItFailed) {
  StartOnWorker1();
  FailSnapshotsOnWorker1(2);
  Step({1});
  AnswerLongStep(1, 1);
  ASSERT_EQ(Asked(1), "snapshot");
  const auto child = Fork();
  AnswerError(1, grpc::StatusCode::INTERNAL, Applied(0));
  const ResultPtr step = StepOf(child, {5});
  ReplayOn(2, {{"step 1", 1}, {"step 1", 1}, {"step 1", 1}});
  AnswerLongStep(2, 1);
  EXPECT_TRUE(step->status.ok());
  EXPECT_EQ(Asked(2), "");
}

TEST_F(CheckpointedSessionTest, RefusedSnapshotIsReplacedByAReplayOnTheSameWorker) {
  TakeSnapshotOnWorker1();
  Exit(1, SIGKILL);
  const ResultPtr next = Step({3});
  BecomeReady(2);
  ASSERT_EQ(Asked(2), "restore one");
  client(2).Answer({grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "version"), {}, Applied(0)});
  Settle();
  ASSERT_EQ(Asked(2), "start");
  AnswerStart(2);
  ASSERT_EQ(Asked(2), "step 1");
  AnswerStep(2, 1);
  ASSERT_EQ(Asked(2), "step 3");
  AnswerLongStep(2, 1);
  EXPECT_TRUE(next->status.ok());
  EXPECT_EQ(Asked(2), "") << "another snapshot would be refused as well";
  EXPECT_THAT(snapshots_, ElementsAre(SnapshotOutcome::kRefused));
  EXPECT_EQ(checkpoints_.GetStats().count, 0);
}

TEST_F(CheckpointedSessionTest, RestoredStateIsCheckedByItsFingerprint) {
  TakeSnapshotOnWorker1("right");
  Exit(1, SIGKILL);
  const ResultPtr right = Step({2});
  BecomeReady(2);
  AnswerRestore(2);
  ASSERT_EQ(Asked(2), "fingerprint");
  AnswerFingerprint(2, "right");
  ASSERT_EQ(Asked(2), "step 2");
  AnswerStep(2, 1);
  EXPECT_TRUE(right->status.ok());

  Exit(2, SIGKILL);
  const ResultPtr wrong = Step({3});
  BecomeReady(3);
  AnswerRestore(3);
  AnswerFingerprint(3, "wrong");
  ASSERT_EQ(Asked(3), "end");
  Answer(3, compiler_gym::EndSessionReply(), Applied(0));
  ASSERT_EQ(Asked(3), "start");
  AnswerStart(3);
  for (const char* step : {"step 1", "step 2", "step 3"}) {
    ASSERT_EQ(Asked(3), step);
    AnswerStep(3, 1);
  }
  EXPECT_TRUE(wrong->status.ok());
}

TEST_F(CheckpointedSessionTest, SnapshotThatKillsItsWorkerIsDropped) {
  TakeSnapshotOnWorker1();
  Exit(1, SIGKILL);
  const ResultPtr next = Step({2});
  BecomeReady(2);
  ASSERT_EQ(Asked(2), "restore one");
  Crash(2);
  ReplayOn(3, {{"step 1", 1}});
  ASSERT_EQ(Asked(3), "step 2");
  AnswerStep(3, 1);
  EXPECT_TRUE(next->status.ok());
}

TEST_F(CheckpointedSessionTest, RestoreThatTakesTooLongLeavesTimeForAReplay) {
  environment_.step_timeout = absl::Hours(100);
  TakeSnapshotOnWorker1();
  Exit(1, SIGKILL);
  const ResultPtr next = Step({2});
  BecomeReady(2);
  ASSERT_EQ(Asked(2), "restore one");
  EXPECT_LT(client(2).calls().front().deadline - absl::Now(), absl::Hours(2));
  AnswerError(2, grpc::StatusCode::DEADLINE_EXCEEDED, absl::nullopt);
  Exit(2, SIGKILL);
  ReplayOn(3, {{"step 1", 1}});
  ASSERT_EQ(Asked(3), "step 2");
  EXPECT_GT(client(3).calls().front().deadline - absl::Now(), absl::Hours(99));
  AnswerStep(3, 1);
  EXPECT_TRUE(next->status.ok());
}

TEST_F(CheckpointedSessionTest, WithoutTheDroppedSnapshotAllIsReplayed) {
  TakeSnapshotOnWorker1();
  const auto other = TakeAllRoom();
  Exit(1, SIGKILL);
  const ResultPtr next = Step({2});
  ReplayOn(2, {{"step 1", 1}});
  AnswerStep(2, 1);
  EXPECT_TRUE(next->status.ok());
}

TEST_F(CheckpointedSessionTest, ForkDuringASnapshotWaitsForItAndStartsThere) {
  StartOnWorker1();
  Step({1});
  AnswerLongStep(1, 1);
  ASSERT_EQ(Asked(1), "snapshot");
  const auto child = Fork();
  ASSERT_NE(child, nullptr) << "the answer does not wait";
  const ResultPtr step = StepOf(child, {5});
  EXPECT_EQ(spawner_.spawned(), 1u) << "no worker lies idle meanwhile";
  AnswerSnapshot(1, "one");
  RestoreOn(2, {"step 5"});
  EXPECT_TRUE(step->status.ok());
  EXPECT_THAT(recoveries_, IsEmpty());
}

TEST_F(CheckpointedSessionTest, ForkOutlivesItsOriginThatEndsAtOnce) {
  StartOnWorker1();
  Step({1});
  AnswerLongStep(1, 1);
  ASSERT_EQ(Asked(1), "snapshot");
  const auto child = Fork();
  const ResultPtr step = StepOf(child, {5});
  session_->End();
  Settle();
  ASSERT_EQ(Asked(1), "snapshot") << "the worker is kept for it";
  AnswerSnapshot(1, "one");
  EXPECT_EQ(Asked(1), "end");
  BecomeReady(2);
  ASSERT_EQ(Asked(2), "restore one");
  AnswerRestore(2);
  AnswerStep(2, 1);
  EXPECT_TRUE(step->status.ok());
}

TEST_F(CheckpointedSessionTest, ForkIsReplayedIfTheSnapshotFails) {
  StartOnWorker1();
  Step({1});
  AnswerLongStep(1, 1);
  const auto child = Fork();
  const ResultPtr step = StepOf(child, {5});
  Crash(1);
  ReplayOn(2, {{"step 1", 1}});
  ASSERT_EQ(Asked(2), "step 5");
  AnswerStep(2, 1);
  EXPECT_TRUE(step->status.ok());
}

TEST_F(CheckpointedSessionTest, ForkEndedWhileItWaitsIsNotBuilt) {
  StartOnWorker1();
  Step({1});
  AnswerLongStep(1, 1);
  const auto child = Fork();
  const ResultPtr step = StepOf(child, {5});
  child->End();
  EXPECT_TRUE(step->done);
  AnswerSnapshot(1, "one");
  EXPECT_EQ(spawner_.spawned(), 1u);
}

TEST_F(CheckpointedSessionTest, IdleSessionIsParkedWithASnapshot) {
  StartOnWorker1();
  StepOn(1, {1});
  session_->ParkIfIdleSince(absl::Now() - absl::Hours(1));
  EXPECT_EQ(session_->state(), SessionState::kResident) << "it had a call since";
  session_->ParkIfIdleSince(absl::Now());
  Settle();
  EXPECT_EQ(session_->state(), SessionState::kParked);
  EXPECT_EQ(Asked(1), "end");
  const ResultPtr next = Step({2});
  ReplayOn(2, {{"step 1", 1}});
  AnswerStep(2, 1);
  EXPECT_TRUE(next->status.ok());
  EXPECT_THAT(recoveries_, IsEmpty()) << "nothing had failed";
}

TEST_F(CheckpointedSessionTest, SessionThatTakesTooLongToRebuildKeepsItsWorker) {
  abilities_.takes_snapshots = false;
  StartOnWorker1();
  Step({1});
  AnswerLongStep(1, 1);  // Far longer than a call may take.
  session_->ParkIfIdleSince(absl::Now());
  EXPECT_FALSE(session_->AskBack());
  EXPECT_EQ(session_->state(), SessionState::kResident);
  // If it is lost all the same, the replay may take as long as it needs.
  Exit(1, SIGKILL);
  const ResultPtr next = Step({2});
  BecomeReady(2);
  EXPECT_GT(client(2).calls().front().deadline, absl::Now() + absl::Hours(1));
  AnswerStart(2);
  AnswerStep(2, 1);
  AnswerStep(2, 1);
  EXPECT_TRUE(next->status.ok());
}

TEST_F(CheckpointedSessionTest, SessionInACallIsParkedAfterIt) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  EXPECT_EQ(session_->idle_since(), absl::InfiniteFuture());
  session_->ParkIfIdleSince(absl::InfiniteFuture());
  EXPECT_TRUE(session_->AskBack());
  EXPECT_EQ(session_->state(), SessionState::kBusy);
  const ResultPtr next = Step({2});
  AnswerStep(1, 1);
  EXPECT_TRUE(step->status.ok());
  EXPECT_EQ(Asked(1), "end");
  ReplayOn(2, {{"step 1", 1}});
  AnswerStep(2, 1);
  EXPECT_TRUE(next->status.ok());
  EXPECT_EQ(session_->state(), SessionState::kResident) << "it was asked once";
}

}  // namespace
}  // namespace holdfast
