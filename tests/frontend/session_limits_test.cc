// What a session makes of limits, of steps that are known to kill, and of being forgotten.
#include <signal.h>

#include "absl/time/clock.h"
#include "frontend/session.h"
#include "tests/frontend/session_fixture.h"

namespace holdfast {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;
using testing::Not;

class SessionLimitsTest : public SessionTest {
 protected:
  // The worker crashes within a call, by that signal.
  void CrashBy(uint64_t worker, int signal) {
    AnswerError(worker, StatusCode::UNAVAILABLE, absl::nullopt);
    Exit(worker, signal);
  }
  // Step({66}) kills workers 1 and 2 after Step({1}).
  ResultPtr KillTwoWorkers(int first_signal, int second_signal) {
    StartOnWorker1();
    StepOn(1, {1});
    ResultPtr step = Step({66});
    CrashBy(1, first_signal);
    ReplayOn(2, {{"step 1", 1}});
    CrashBy(2, second_signal);
    EXPECT_TRUE(step->done);
    EXPECT_EQ(step->status.error_code(), StatusCode::ABORTED);
    return step;
  }
  // The worker of a step is found to use too much memory.
  void ExceedMemory(uint64_t worker) {
    AnswerError(worker, StatusCode::UNAVAILABLE, absl::nullopt);
    ProcessExit exit;
    exit.known = true;
    exit.signal = SIGKILL;
    exit.memory_limit_hit = true;
    exit.peak_rss_bytes = 2000;
    spawner_.Exit(worker, exit);
    Settle();
  }
  bool IsRefused(const ResultPtr& step) { return step->done && refused_ > 0; }
};

TEST_F(SessionLimitsTest, StepThatKilledTwiceIsRefusedAtTheSamePlace) {
  const ResultPtr first = KillTwoWorkers(SIGSEGV, SIGSEGV);
  const ResultPtr again = Step({66});
  ASSERT_TRUE(IsRefused(again));
  EXPECT_EQ(again->status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(again->status.error_message(), HasSubstr("refused"));
  EXPECT_THAT(again->status.error_message(), HasSubstr("service.refuse_poisoned_steps=0"));
  EXPECT_THAT(again->status.error_message(), HasSubstr("signal 11"));
  const absl::optional<WorkerFailure> failure = FailureIn(again->status);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->signal(), SIGSEGV);
  EXPECT_EQ(session_->state(), SessionState::kParked) << "no worker was taken for it";
}

TEST_F(SessionLimitsTest, AnotherStepThereAndTheSameStepElsewhereAreNot) {
  KillTwoWorkers(SIGSEGV, SIGSEGV);
  const ResultPtr other = Step({2});
  ReplayOn(3, {{"step 1", 1}});
  EXPECT_EQ(Asked(3), "step 2");
  AnswerStep(3, 1);
  EXPECT_TRUE(other->status.ok());
  const ResultPtr elsewhere = Step({66});
  EXPECT_EQ(Asked(3), "step 66");
  AnswerStep(3, 1);
  EXPECT_TRUE(elsewhere->status.ok());
  EXPECT_EQ(refused_, 0);
}

TEST_F(SessionLimitsTest, ForksKnowItToo) {
  KillTwoWorkers(SIGSEGV, SIGSEGV);
  std::shared_ptr<Session> child;
  session_->Fork(8, kCaller, [&](const grpc::Status&, std::shared_ptr<Session> forked) {
    child = std::move(forked);
  });
  ASSERT_NE(child, nullptr);
  session_->End();
  std::swap(session_, child);
  EXPECT_TRUE(IsRefused(Step({66})));
}

TEST_F(SessionLimitsTest, ChanceIsNoPoison) {
  KillTwoWorkers(SIGSEGV, SIGABRT);
  Step({66});
  EXPECT_EQ(refused_, 0);
  ReplayOn(3, {{"step 1", 1}});
  EXPECT_EQ(Asked(3), "step 66");
}

TEST_F(SessionLimitsTest, KillsFromOutsideAreNoPoison) {
  KillTwoWorkers(SIGKILL, SIGKILL);
  Step({66});
  EXPECT_EQ(refused_, 0);
}

TEST_F(SessionLimitsTest, ParameterLetsItBeTriedAgain) {
  KillTwoWorkers(SIGSEGV, SIGSEGV);
  auto result = std::make_shared<Result>();
  compiler_gym::SendSessionParameterRequest request;
  request.add_parameter()->set_key(kRefusePoisonedSteps);
  request.mutable_parameter(0)->set_value("0");
  session_->SendParameters(request, kCaller, Into(result));
  Settle();
  ReplayOn(3, {{"step 1", 1}});
  Answer(3, HandleParameterReply(), Applied(0));  // The worker does not know it.
  ASSERT_TRUE(result->done && result->status.ok()) << result->status.error_message();
  Step({66});
  EXPECT_EQ(refused_, 0);
  EXPECT_EQ(Asked(3), "step 66");
}

TEST_F(SessionLimitsTest, TimeLimitOfOursIsPoison) {
  StartOnWorker1();
  const ResultPtr step = Step({66});
  SetActivity(1, WorkerFailure::ACTION);
  AnswerError(1, StatusCode::DEADLINE_EXCEEDED, absl::nullopt);
  Exit(1, SIGKILL);
  EXPECT_EQ(step->status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_EQ(failures_[0].limit_flag(), "--step_timeout");
  EXPECT_EQ(failures_[0].limit(), 240);
  const ResultPtr again = Step({66});
  ASSERT_TRUE(IsRefused(again));
  EXPECT_EQ(again->status.error_code(), StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(SessionLimitsTest, WorkerThatNeverBeganIsNoPoison) {
  StartOnWorker1();
  const ResultPtr step = Step({66});
  AnswerError(1, StatusCode::DEADLINE_EXCEEDED, absl::nullopt);
  Exit(1, SIGKILL);
  EXPECT_EQ(step->status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  Step({66});
  ReplayOn(2, {});
  EXPECT_EQ(Asked(2), "step 66");
}

TEST_F(SessionLimitsTest, MemoryLimitIsToldAndNotTriedAgain) {
  StartOnWorker1();
  const ResultPtr step = Step({66});
  ExceedMemory(1);
  ASSERT_TRUE(step->done);
  EXPECT_EQ(step->status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(
      step->status.error_message(),
      HasSubstr("memory limit of 1000 bytes (--worker_memory_limit_bytes), measured: 2000"));
  EXPECT_THAT(step->status.error_message(), HasSubstr("is as before it"));
  EXPECT_TRUE(IsRefused(Step({66})));
  Step({2});
  ReplayOn(2, {});
  EXPECT_EQ(Asked(2), "step 2");
}

TEST_F(SessionLimitsTest, MemoryThatOthersMayHaveTakenIsNoPoison) {
  StartOnWorker1();
  StepOn(1, {1});
  const ResultPtr step = Step({66});
  ExceedMemory(1);
  EXPECT_EQ(step->status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  const ResultPtr again = Step({66});
  ReplayOn(2, {{"step 1", 1}});
  ASSERT_EQ(Asked(2), "step 66") << "it is tried where nothing else was done";
  ExceedMemory(2);
  EXPECT_TRUE(IsRefused(Step({66})));
}

TEST_F(SessionLimitsTest, LimitInEachReplayKeepsTheRecord) {
  StartOnWorker1();
  StepOn(1, {1});
  Exit(1, SIGKILL);
  const ResultPtr step = Step({2});
  for (uint64_t worker = 2; worker <= 4; ++worker) {
    ASSERT_FALSE(step->done);
    BecomeReady(worker);
    AnswerStart(worker);
    ASSERT_EQ(Asked(worker), "step 1");
    AnswerError(worker, StatusCode::UNAVAILABLE, absl::nullopt);
    ProcessExit exit;
    exit.known = true;
    exit.signal = SIGKILL;
    exit.memory_limit_hit = true;
    spawner_.Exit(worker, exit);
    Settle();
  }
  ASSERT_TRUE(step->done);
  EXPECT_EQ(step->status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(step->status.error_message(), HasSubstr("cannot be restored"));
  EXPECT_EQ(session_->state(), SessionState::kParked);
}

TEST_F(SessionLimitsTest, FailureIsToldWithAllThatItTakesToRepeatIt) {
  KillTwoWorkers(SIGSEGV, SIGSEGV);
  ASSERT_EQ(events_.size(), 2u);
  EXPECT_EQ(events_[0].worker, 1);
  const CrashEvent& event = events_[1];
  EXPECT_EQ(event.session, 7);
  EXPECT_EQ(event.worker, 2);
  EXPECT_EQ(event.origin.benchmark->uri(), "benchmark://test-v0/a");
  EXPECT_EQ(event.history.action_count(), 1);
  ASSERT_TRUE(event.step.has_value());
  compiler_gym::StepRequest request;
  ASSERT_TRUE(Parse(*event.step, &request).ok());
  EXPECT_EQ(request.action(0).int64_value(), 66);
}

TEST_F(SessionLimitsTest, IdleSessionEndsAndABusyOneDoesNot) {
  StartOnWorker1();
  EXPECT_FALSE(session_->EndIfIdleSince(absl::Now() - absl::Hours(1)));
  const ResultPtr step = Step({1});
  EXPECT_FALSE(session_->EndIfIdleSince(absl::Now() + absl::Hours(1)));
  AnswerStep(1, 1);
  EXPECT_TRUE(session_->EndIfIdleSince(absl::Now() + absl::Hours(1)));
  EXPECT_EQ(session_->state(), SessionState::kEnded);
}

}  // namespace
}  // namespace holdfast
