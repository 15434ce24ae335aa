#include "frontend/failure_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

WorkerFailure Failure(WorkerFailure::Cause cause) {
  WorkerFailure failure;
  failure.set_cause(cause);
  return failure;
}

TEST(FailureStatusTest, EachCauseHasANameAndWords) {
  for (int cause = 0; cause < WorkerFailure::Cause_ARRAYSIZE; ++cause) {
    if (!WorkerFailure::Cause_IsValid(cause)) continue;
    const auto value = static_cast<WorkerFailure::Cause>(cause);
    EXPECT_FALSE(FailureCauseName(value).empty());
    EXPECT_FALSE(DescribeFailure(Failure(value)).empty());
  }
  EXPECT_EQ(FailureCauseName(WorkerFailure::TIME_LIMIT), "time_limit");
}

TEST(FailureStatusTest, SigkillAloneIsNotOutOfMemory) {
  WorkerFailure failure = Failure(WorkerFailure::SIGNAL);
  failure.set_signal(SIGKILL);
  EXPECT_EQ(DescribeFailure(failure), "killed by signal 9 (Killed)");
}

TEST(FailureStatusTest, LimitIsNamedWithItsFlagAndTheMeasure) {
  WorkerFailure failure = Failure(WorkerFailure::MEMORY_LIMIT);
  failure.set_limit_flag("--worker_memory_limit_bytes");
  failure.set_limit(4294967296);
  failure.set_measured(4295016448);
  EXPECT_EQ(
      DescribeFailure(failure),
      "exceeded its memory limit of 4294967296 bytes (--worker_memory_limit_bytes), measured: "
      "4295016448");
}

TEST(FailureStatusTest, PoisonIsWhatWouldSurelyFailAgain) {
  WorkerFailure crash = Failure(WorkerFailure::SIGNAL);
  crash.set_signal(SIGSEGV);
  crash.set_activity(WorkerFailure::ACTION);
  crash.set_activity_index(2);
  EXPECT_FALSE(IsPoison(crash, crash)) << "one attempt is no proof";
  WorkerFailure again = crash;
  again.set_attempts(2);
  EXPECT_TRUE(IsPoison(crash, again));
  WorkerFailure elsewhere = again;
  elsewhere.set_activity_index(1);
  EXPECT_FALSE(IsPoison(crash, elsewhere));
  WorkerFailure killed = again;
  killed.set_signal(SIGKILL);
  EXPECT_FALSE(IsPoison(killed, killed));
  WorkerFailure hang = Failure(WorkerFailure::TIME_LIMIT);
  EXPECT_FALSE(IsPoison(hang, hang)) << "the caller's deadline says nothing";
  hang.set_limit_flag("--step_timeout");
  hang.set_activity(WorkerFailure::ACTION);
  EXPECT_TRUE(IsPoison(hang, hang));
  hang.set_activity(WorkerFailure::NONE);
  EXPECT_FALSE(IsPoison(hang, hang)) << "it never began: somebody has stopped it";
  EXPECT_TRUE(IsPoison(crash, Failure(WorkerFailure::FILE_LIMIT)));
}

TEST(FailureStatusTest, ReplaysFailForGoodOnlyWhenTheyFailAlike) {
  WorkerFailure crash = Failure(WorkerFailure::SIGNAL);
  crash.set_signal(SIGSEGV);
  ReplayFailures alike;
  EXPECT_EQ(alike.Add(crash), ReplayFailures::kTryAgain);
  EXPECT_EQ(alike.Add(crash), ReplayFailures::kTryAgain);
  EXPECT_EQ(alike.Add(crash), ReplayFailures::kGiveUp);

  WorkerFailure kill = Failure(WorkerFailure::SIGNAL);
  kill.set_signal(SIGKILL);
  for (const WorkerFailure& outside : {kill, Failure(WorkerFailure::SPAWNER_LOST)}) {
    ReplayFailures failures;
    for (int i = 1; i < ReplayFailures::kMax; ++i) {
      EXPECT_EQ(failures.Add(outside), ReplayFailures::kTryAgain) << i;
    }
    EXPECT_EQ(failures.Add(outside), ReplayFailures::kLeaveToNextCall);
  }

  ReplayFailures mixed;
  for (const WorkerFailure& failure : {crash, kill, crash, Failure(WorkerFailure::EXIT), crash}) {
    EXPECT_EQ(mixed.Add(failure), ReplayFailures::kTryAgain);
  }
}

TEST(FailureStatusTest, DescriptionHasTheEndOfStderrOnOneLine) {
  WorkerFailure failure = Failure(WorkerFailure::EXIT);
  failure.set_exit_code(3);
  failure.set_stderr_tail(std::string(5000, 'x') + "\nlast\nwords\n\n");
  const std::string text = DescribeFailure(failure);
  EXPECT_THAT(text, StartsWith("exited with code 3; stderr: "));
  EXPECT_THAT(text, HasSubstr("last | words"));
  EXPECT_LT(text.size(), 400u);
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

TEST(FailureStatusTest, DescriptionNamesTheFailingPlaceAndNotTheOutermostFrames) {
  WorkerFailure failure = Failure(WorkerFailure::SIGNAL);
  failure.set_signal(SIGABRT);
  failure.set_stderr_tail(
      "x.cpp:12: Assertion `x' failed.\n"
      "*** SIGABRT received at time=1795479446 on cpu 1 ***\n"
      "PC: @     0x7f74faca8eec  (unknown)  (unknown)\n"
      "    @     0x7f74fac44472  (unknown)  abort\n"
      "    @           0xd94896  (unknown)  llvm::Culprit()\n"
      "    @          0x1f40da9         64  llvm::PassManager<>::run()\n"
      "    @          0x1f40daa         64  third()\n"
      "    @          0x1f40dab         64  fourth()\n"
      "    @          0x1f40dac         64  main\n");
  EXPECT_EQ(DescribeFailure(failure),
            "killed by signal 6 (Aborted); stderr: x.cpp:12: Assertion `x' failed.; at "
            "llvm::Culprit() < llvm::PassManager<>::run() < third() < fourth()");
  failure.set_stderr_tail("PC: @  0x1  " + std::string(3000, 'f') + "\n");
  EXPECT_LT(DescribeFailure(failure).size(), 400u);
}

TEST(FailureStatusTest, StaysSmallWhateverTheWorkerWrote) {
  for (const char byte : {'x', '\n', '\xff', '\0'}) {
    WorkerFailure failure = Failure(WorkerFailure::SIGNAL);
    failure.set_stderr_tail(std::string(100000, byte));
    const grpc::Status status =
        MakeFailureStatus(grpc::StatusCode::ABORTED, std::string(100000, byte), failure);
    // On the wire the details are base64, and the message is percent-encoded.
    size_t encoded = status.error_details().size() * 4 / 3;
    for (const char c : status.error_message()) encoded += c >= ' ' && c <= '~' && c != '%' ? 1 : 3;
    EXPECT_LE(encoded, 4096u);
    StatusDetails details;
    ASSERT_TRUE(details.ParseFromString(status.error_details()));
    WorkerFailure unpacked;
    ASSERT_TRUE(details.details(0).UnpackTo(&unpacked));
    EXPECT_LE(unpacked.stderr_tail().size(), 1024u);
    EXPECT_EQ(details.message(), status.error_message());
  }
}

TEST(FailureStatusTest, SessionStatusPassesButForWhatTheProtocolNeeds) {
  using grpc::StatusCode;
  const auto translate = [](WorkerMethod method, StatusCode code, const char* message) {
    return TranslateSessionStatus(method, grpc::Status(code, message));
  };
  const grpc::Status plain = translate(WorkerMethod::kStep, StatusCode::OUT_OF_RANGE, "words");
  EXPECT_EQ(plain.error_code(), StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(plain.error_message(), "words");
  EXPECT_EQ(translate(WorkerMethod::kStep, StatusCode::UNAVAILABLE, "").error_code(),
            StatusCode::INTERNAL);
  EXPECT_EQ(translate(WorkerMethod::kStep, StatusCode::NOT_FOUND, "").error_code(),
            StatusCode::NOT_FOUND);
  EXPECT_EQ(translate(WorkerMethod::kStartSession, StatusCode::NOT_FOUND, "").error_code(),
            StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(
      translate(WorkerMethod::kStep, StatusCode::NOT_FOUND, "Session not found: 1").error_message(),
      testing::Not(StartsWith("Session not found")));
}

TEST(FailureStatusTest, Verdicts) {
  const absl::Duration plenty = absl::Minutes(1);
  EXPECT_EQ(JudgeFailure(WorkerFailure::SIGNAL, 1, 1, plenty), Verdict::kRetry);
  EXPECT_EQ(JudgeFailure(WorkerFailure::SIGNAL, 2, 1, plenty), Verdict::kRepeated);
  EXPECT_EQ(JudgeFailure(WorkerFailure::SIGNAL, 2, 3, plenty), Verdict::kRetry);
  EXPECT_EQ(JudgeFailure(WorkerFailure::SIGNAL, 1, 0, plenty), Verdict::kUnconfirmed);
  EXPECT_EQ(JudgeFailure(WorkerFailure::SIGNAL, 1, 1, absl::ZeroDuration()), Verdict::kUnconfirmed);
  EXPECT_EQ(JudgeFailure(WorkerFailure::TIME_LIMIT, 1, 5, plenty), Verdict::kTimeLimit);
  EXPECT_EQ(JudgeFailure(WorkerFailure::TIME_LIMIT, 2, 5, plenty), Verdict::kUnconfirmed);
  EXPECT_EQ(JudgeFailure(WorkerFailure::LINK, 1, 1, plenty), Verdict::kRetry);
  EXPECT_EQ(JudgeFailure(WorkerFailure::MEMORY_LIMIT, 1, 1, plenty), Verdict::kResourceLimit);
  EXPECT_EQ(JudgeFailure(WorkerFailure::CPU_LIMIT, 2, 1, plenty), Verdict::kResourceLimit);
}

TEST(FailureStatusTest, BudgetIsTheSmallerOfLimitAndMostOfTheDeadline) {
  const absl::Time now = absl::FromUnixSeconds(1000);
  EXPECT_EQ(CallBudget(now, absl::Seconds(10), absl::InfiniteFuture()), now + absl::Seconds(10));
  EXPECT_EQ(CallBudget(now, absl::Seconds(10), now + absl::Hours(1)), now + absl::Seconds(10));
  EXPECT_EQ(CallBudget(now, absl::Seconds(10), now + absl::Seconds(2)),
            now + absl::Milliseconds(1900));
}

}  // namespace
}  // namespace holdfast
