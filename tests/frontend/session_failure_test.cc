// What a session makes of the failures of its workers.
#include "frontend/session.h"
#include "tests/frontend/session_fixture.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(SessionTest, WorkerThatDiesBetweenCallsIsNotNoticed) {
  StartOnWorker1();
  StepOn(1, {1, 2});
  StepOn(1, {});
  StepOn(1, {3});
  Exit(1, SIGKILL);
  EXPECT_EQ(session_->state(), SessionState::kParked);
  const ResultPtr next = Step({4});
  ReplayOn(2, {{"step 1 2", 2}, {"step 3", 1}});
  EXPECT_EQ(Asked(2), "step 4");
  AnswerStep(2, 1);
  EXPECT_TRUE(next->status.ok());
  EXPECT_THAT(recoveries_, ElementsAre(RecoveryOutcome::kRestored));
}

TEST_F(SessionTest, CrashThatDoesNotRepeatIsNotNoticed) {
  StartOnWorker1();
  StepOn(1, {1});
  const ResultPtr step = Step({2});
  Crash(1);
  EXPECT_FALSE(step->done);
  EXPECT_EQ(session_->state(), SessionState::kRecovering);
  ReplayOn(2, {{"step 1", 1}});
  AnswerStep(2, 1);
  EXPECT_TRUE(step->status.ok());
}

TEST_F(SessionTest, ExitMaySpeakBeforeTheLink) {
  StartOnWorker1();
  const ResultPtr step = Step({2});
  Exit(1, SIGSEGV);
  BecomeReady(2);
  EXPECT_EQ(Asked(2), "start");
  AnswerError(1, grpc::StatusCode::UNAVAILABLE, absl::nullopt);  // Late: dropped.
  AnswerStart(2);
  AnswerStep(2, 1);
  EXPECT_TRUE(step->status.ok());
  EXPECT_EQ(failures_.size(), 1u);
}

// Each crashes once, and is tried once more.
TEST_F(SessionTest, AttemptsAreThoseOfOneParameter) {
  StartOnWorker1();
  HandleParameterReply handled;
  handled.set_known(true);
  handled.set_changed_state(true);
  const ResultPtr parameters = SendParameters({"a", "b"});
  Crash(1);
  ReplayOn(2, {});
  Answer(2, handled, Applied(0));
  ASSERT_EQ(Asked(2), "parameter b");
  Crash(2);
  ReplayOn(3, {});
  ASSERT_EQ(Asked(3), "parameter a");
  Answer(3, handled, Applied(0));
  ASSERT_EQ(Asked(3), "parameter b");
  Answer(3, handled, Applied(0));
  ASSERT_TRUE(parameters->done);
  EXPECT_TRUE(parameters->status.ok()) << parameters->status.error_message();
}

TEST_F(SessionTest, BenchmarkThatIsRefusedInAReplayIsTriedAgain) {
  StartOnWorker1();
  StepOn(1, {1});
  Exit(1, SIGKILL);
  uint64_t worker = 2;
  for (; worker < 7; ++worker) {
    const ResultPtr step = Step({2});
    BecomeReady(worker);
    EXPECT_EQ(Asked(worker), "start");
    AnswerError(worker, grpc::StatusCode::RESOURCE_EXHAUSTED, Applied(0));
    ASSERT_TRUE(step->done);
    EXPECT_EQ(step->status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(session_->state(), SessionState::kParked);
    EXPECT_EQ(spawner_.process(worker).kills, 1);
  }
  const ResultPtr step = Step({2});
  ReplayOn(worker, {{"step 1", 1}});
  AnswerStep(worker, 1);
  EXPECT_TRUE(step->status.ok());
}

TEST_F(SessionTest, RecordOfADeathBetweenCallsIsWhole) {
  StartOnWorker1();
  StepOn(1, {1, 2});
  Exit(1, SIGSEGV);
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(failures_[0].actions_applied(), 2);
  EXPECT_EQ(failures_[0].attempts(), 1);
  EXPECT_TRUE(failures_[0].session_restored());
}

TEST_F(SessionTest, CrashThatRepeatsIsAbortedAndRolledBack) {
  StartOnWorker1();
  StepOn(1, {1});
  const ResultPtr step = Step({66});
  Crash(1);
  ReplayOn(2, {{"step 1", 1}});
  Crash(2);
  ASSERT_TRUE(step->done);
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(step->status.error_message(), HasSubstr("some-action"));
  EXPECT_THAT(step->status.error_message(), HasSubstr("signal 11"));
  const absl::optional<WorkerFailure> failure = FailureIn(step->status);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->cause(), WorkerFailure::SIGNAL);
  EXPECT_EQ(failure->attempts(), 2);
  EXPECT_EQ(failure->actions_applied(), 1);
  EXPECT_EQ(failure->during(), "Step");
  // Usable, at the state before.
  const ResultPtr next = Step({2});
  ReplayOn(3, {{"step 1", 1}});
  EXPECT_EQ(Asked(3), "step 2");
  AnswerStep(3, 1);
  EXPECT_TRUE(next->status.ok());
}

TEST_F(SessionTest, StepThatTakesTooLongIsKilledAndNotTriedAgain) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  AnswerError(1, grpc::StatusCode::DEADLINE_EXCEEDED, absl::nullopt);
  EXPECT_EQ(spawner_.process(1).kills, 1);
  Exit(1, SIGKILL);
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(step->status.error_message(), HasSubstr("--step_timeout"));
  const ResultPtr next = Step({2});
  ReplayOn(2, {});
  EXPECT_EQ(Asked(2), "step 2");
}

TEST_F(SessionTest, CleanErrorKeepsTheWorkerAndTheAppliedActions) {
  StartOnWorker1();
  const ResultPtr step = Step({1, 2, 3});
  AnswerError(1, grpc::StatusCode::OUT_OF_RANGE, Applied(2, true));
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(step->status.error_message(), "worker's words");
  EXPECT_EQ(session_->state(), SessionState::kResident);
  Exit(1, SIGKILL);
  Step({4});
  ReplayOn(2, {{"step 1 2", 2}});
}

TEST_F(SessionTest, DirtyErrorRebuildsWithTheAppliedActions) {
  StartOnWorker1();
  const ResultPtr step = Step({1, 2, 3});
  AnswerError(1, grpc::StatusCode::INTERNAL, Applied(1, false));
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::INTERNAL);
  Step({4});
  ReplayOn(2, {{"step 1", 1}});
  EXPECT_EQ(Asked(2), "step 4");
}

TEST_F(SessionTest, SessionsUnavailableIsNotTheClients) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  AnswerError(1, grpc::StatusCode::UNAVAILABLE, Applied(0, true));
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::INTERNAL);
}

TEST_F(SessionTest, MoreActionsThanAskedForAreNotBelieved) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  AnswerStep(1, 1000);
  EXPECT_TRUE(step->status.ok());
  Exit(1, SIGKILL);
  Step({});
  ReplayOn(2, {{"step 1", 1}});
}

TEST_F(SessionTest, ReplyThatIsTooLargeNamesTheFlag) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  AnswerError(1, grpc::StatusCode::RESOURCE_EXHAUSTED, absl::nullopt);
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(step->status.error_message(), HasSubstr("--max_message_bytes"));
  Step({2});
  ReplayOn(2, {});
}

TEST_F(SessionTest, BenchmarkThatKillsItsWorkerTwiceIsRefused) {
  const ResultPtr started = Start();
  BecomeReady(1);
  Crash(1);
  EXPECT_FALSE(started->done);
  BecomeReady(2);
  Crash(2);
  ASSERT_TRUE(started->done);
  EXPECT_EQ(started->status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(started->status.error_message(), HasSubstr("benchmark://test-v0/a"));
  EXPECT_EQ(session_->state(), SessionState::kEnded);
}

TEST_F(SessionTest, NotFoundOfInitIsInvalidArgument) {
  const ResultPtr started = Start();
  BecomeReady(1);
  AnswerError(1, grpc::StatusCode::NOT_FOUND, Applied(0, false));
  EXPECT_EQ(started->status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(session_->state(), SessionState::kEnded);
}

TEST_F(SessionTest, RecoveryThatDivergesLosesTheSession) {
  StartOnWorker1();
  StepOn(1, {1, 2});
  Exit(1, SIGKILL);
  const ResultPtr next = Step({3});
  for (uint64_t worker = 2; worker <= 4; ++worker) {  // Twice may be chance.
    EXPECT_FALSE(next->done);
    BecomeReady(worker);
    AnswerStart(worker);
    AnswerStep(worker, 1);  // Two had been applied.
  }
  EXPECT_EQ(next->status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(Step({4})->status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(recoveries_, ElementsAre(RecoveryOutcome::kLost));
}

TEST_F(SessionTest, RecoveryIsCheckedByTheLastFingerprint) {
  StartOnWorker1();
  for (const char* fingerprint : {"one", "two", ""}) {
    const ResultPtr step = Step({1});
    AnswerStep(1, 1, fingerprint);
    ASSERT_TRUE(step->status.ok());
  }
  const auto replay_with = [this](uint64_t worker, const std::string& fingerprint) {
    ReplayOn(worker, {{"step 1", 1}, {"step 1", 1}});
    ASSERT_EQ(client(worker).calls().front().method, WorkerMethod::kFingerprint);
    AnswerFingerprint(worker, fingerprint);
  };
  Exit(1, SIGKILL);
  const ResultPtr same = Step({});
  replay_with(2, "two");
  AnswerStep(2, 1);  // The third step, which had none.
  AnswerStep(2, 0);
  EXPECT_TRUE(same->status.ok());
  Exit(2, SIGKILL);
  const ResultPtr other = Step({});
  replay_with(3, "three");
  replay_with(4, "three");
  EXPECT_FALSE(other->done);
  replay_with(5, "three");
  EXPECT_EQ(other->status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(other->status.error_message(), HasSubstr("fingerprint"));
}

TEST_F(SessionTest, RecoveryThatCrashesIsTriedThriceAndNoMore) {
  StartOnWorker1();
  StepOn(1, {1});
  Exit(1, SIGKILL);
  const ResultPtr next = Step({2});
  for (uint64_t worker = 2; worker <= 4; ++worker) {
    BecomeReady(worker);
    AnswerStart(worker);
    EXPECT_EQ(Asked(worker), "step 1");
    EXPECT_FALSE(next->done);
    Crash(worker);
  }
  EXPECT_EQ(next->status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(spawner_.spawned(), 4u);
}

TEST_F(SessionTest, RecoveryWithoutTimeIsTriedAgainByTheNextCall) {
  StartOnWorker1();
  StepOn(1, {1});
  Exit(1, SIGKILL);
  const ResultPtr late = Step({2});
  BecomeReady(2);
  AnswerStart(2);
  AnswerError(2, grpc::StatusCode::DEADLINE_EXCEEDED, absl::nullopt);
  Exit(2, SIGKILL);
  EXPECT_EQ(late->status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  const ResultPtr next = Step({3});
  ReplayOn(3, {{"step 1", 1}});
  AnswerStep(3, 1);
  EXPECT_TRUE(next->status.ok());
  EXPECT_THAT(recoveries_, ElementsAre(RecoveryOutcome::kAbandoned, RecoveryOutcome::kRestored));
}

TEST_F(SessionTest, KillsFromOutsideNeverLoseASession) {
  StartOnWorker1();
  StepOn(1, {1});
  Exit(1, SIGKILL);
  const ResultPtr killed = Step({2});
  uint64_t worker = 2;
  for (; !killed->done; ++worker) {
    BecomeReady(worker);
    AnswerError(worker, grpc::StatusCode::UNAVAILABLE, absl::nullopt);
    Exit(worker, SIGKILL);
  }
  EXPECT_EQ(killed->status.error_code(), grpc::StatusCode::UNAVAILABLE) << "it may be sent again";
  EXPECT_EQ(worker, 2u + ReplayFailures::kMax);
  const ResultPtr next = Step({2});
  ReplayOn(worker, {{"step 1", 1}});
  AnswerStep(worker, 1);
  EXPECT_TRUE(next->status.ok());
}

TEST_F(SessionTest, StartThatIsKilledFromOutsideDoesNotBlameTheBenchmark) {
  const ResultPtr started = Start();
  for (uint64_t worker = 1; worker <= 2; ++worker) {
    BecomeReady(worker);
    AnswerError(worker, grpc::StatusCode::UNAVAILABLE, absl::nullopt);
    Exit(worker, SIGKILL);
  }
  EXPECT_EQ(started->status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(SessionTest, LossTellsWhatFailed) {
  StartOnWorker1();
  StepOn(1, {1});
  Exit(1, SIGKILL);
  const ResultPtr next = Step({2});
  for (uint64_t worker = 2; worker <= 4; ++worker) {
    BecomeReady(worker);
    Crash(worker);
  }
  ASSERT_EQ(next->status.error_code(), grpc::StatusCode::DATA_LOSS);
  const absl::optional<WorkerFailure> failure = FailureIn(next->status);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->signal(), SIGSEGV);
  EXPECT_FALSE(failure->session_restored());
  EXPECT_EQ(Step({3})->status.error_details(), next->status.error_details());
}

TEST_F(SessionTest, ReplayGoesOnWithoutTheCallThatWasGivenUp) {
  StartOnWorker1();
  StepOn(1, {1});
  StepOn(1, {2});
  Exit(1, SIGKILL);
  Session::Ticket ticket = 0;
  const ResultPtr hasty = Step({3}, &ticket);
  BecomeReady(2);
  AnswerStart(2);
  ASSERT_EQ(Asked(2), "step 1");
  session_->Abandon(ticket, grpc::Status(grpc::StatusCode::CANCELLED, ""));
  EXPECT_EQ(hasty->status.error_code(), grpc::StatusCode::CANCELLED);
  const ResultPtr next = Step({4});
  AnswerStep(2, 1);
  ASSERT_EQ(Asked(2), "step 2");
  AnswerStep(2, 1);
  ASSERT_EQ(Asked(2), "step 4");
  AnswerStep(2, 1);
  EXPECT_TRUE(next->status.ok());
  EXPECT_THAT(recoveries_, ElementsAre(RecoveryOutcome::kRestored));
}

TEST_F(SessionTest, RetryWithoutAWorkerIsUnconfirmed) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  Crash(1);
  Advance(absl::Hours(1));
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(step->status.error_message(), HasSubstr("unconfirmed"));
}

TEST_F(SessionTest, CallWithoutAWorkerMayBeSentAgain) {
  const ResultPtr started = Start();
  Advance(absl::Hours(1));
  EXPECT_EQ(started->status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

}  // namespace
}  // namespace holdfast
