// The failure table, row by row: what a call sees when its worker or its session fails, and what is
// left of the session. How sessions start and end, and what they wait for: failure_limits_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/misbehaving_service.h"

namespace holdfast {
namespace {

using grpc::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A session that must notice nothing of what happens to others.
class Bystander {
 public:
  explicit Bystander(MisbehavingService* service) : session_(service->NewSession()) {
    EXPECT_TRUE(StepBy(&session_, {"add_one"}).ok());
    worker_ = WorkerOf(&session_);
  }
  ~Bystander() {
    EXPECT_TRUE(StepBy(&session_, {"noop"}).ok());
    EXPECT_EQ(StateOf(&session_), "add_one,noop = 1");
    EXPECT_EQ(WorkerOf(&session_), worker_) << "another session's worker was replaced";
  }

 private:
  TestSession session_;
  pid_t worker_ = 0;
};

// ---- The worker dies ----

TEST(FailureTableTest, WorkerKilledBetweenCallsIsReplacedUnnoticed) {
  MisbehavingService service;
  const Bystander bystander(&service);
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one", "noop"}).ok());
  const pid_t first = WorkerOf(&session);
  KillWorkerOf(&session);
  compiler_gym::StepReply reply;
  const grpc::Status status = StepBy(&session, {"add_one"}, {"actions"}, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.observation(0).string_value(), "add_one,noop,add_one");
  EXPECT_NE(WorkerOf(&session), first);
  ExpectState(&session, "add_one,noop,add_one = 2");
}

TEST(FailureTableTest, WorkerKilledInMidStepIsReplacedUnnoticed) {
  MisbehavingService service;
  const Bystander bystander(&service);
  const Marker marker = service.NewMarker();
  TestSession session = service.NewSession(marker);
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const pid_t first = WorkerOf(&session);
  auto step = StepLater(&session, {"add_one", "wait", "add_one"});
  ASSERT_TRUE(marker.AwaitWaiting());
  kill(first, SIGKILL);
  ASSERT_TRUE(marker.AwaitWaiting(2)) << "no retry";
  marker.Go();
  const grpc::Status status = step.get();
  ASSERT_TRUE(status.ok()) << status.error_message();
  ExpectState(&session, "add_one,add_one,wait,add_one = 4");
}

TEST(FailureTableTest, CrashThatDoesNotRepeatCostsOnlyTime) {
  MisbehavingService service;
  const Bystander bystander(&service);
  TestSession session = service.NewSession(service.NewMarker());
  ASSERT_TRUE(StepBy(&session, {"noop"}).ok());
  const grpc::Status status = StepBy(&session, {"add_one", "crash_once", "add_one"});
  ASSERT_TRUE(status.ok()) << status.error_message();
  ExpectState(&session, "noop,add_one,crash_once,add_one = 3");
}

struct Death {
  const char* action;
  WorkerFailure::Cause cause;
  int signal;
  int exit_code;
  const char* text;
};

class DeathTest : public testing::TestWithParam<Death> {};

TEST_P(DeathTest, TwiceIsAbortedAndTheSessionIsAsBefore) {
  const Death& death = GetParam();
  MisbehavingService service;
  const Bystander bystander(&service);
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one", "noop"}).ok());

  const grpc::Status status = StepBy(&session, {"add_one", death.action, "noop"});
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), AllOf(HasSubstr(death.action), HasSubstr(death.text)));
  const absl::optional<WorkerFailure> failure = FailureOf(status);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->cause(), death.cause);
  EXPECT_EQ(failure->signal(), death.signal);
  EXPECT_EQ(failure->exit_code(), death.exit_code);
  EXPECT_EQ(failure->during(), "Step");
  EXPECT_EQ(failure->actions_applied(), 2);
  EXPECT_EQ(failure->attempts(), 2);
  EXPECT_TRUE(failure->session_restored());
  StatusDetails details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), StatusCode::ABORTED);
  EXPECT_EQ(details.message(), status.error_message());

  EXPECT_EQ(StateOf(&session), "add_one,noop = 1");
  EXPECT_TRUE(StepBy(&session, {"add_one"}).ok());
  ExpectState(&session, "add_one,noop,add_one = 2");
}

INSTANTIATE_TEST_SUITE_P(
    Deaths, DeathTest,
    testing::Values(Death{"crash", WorkerFailure::SIGNAL, SIGSEGV, 0, "signal 11"},
                    Death{"abort", WorkerFailure::SIGNAL, SIGABRT, 0, "signal 6"},
                    Death{"raise_sigkill", WorkerFailure::SIGNAL, SIGKILL, 0, "signal 9"},
                    Death{"exit_0", WorkerFailure::EXIT, 0, 0, "code 0"},
                    Death{"exit_1", WorkerFailure::EXIT, 0, 1, "code 1"}),
    [](const auto& info) { return std::string(info.param.action); });

TEST(FailureTableTest, CrashInAnObservationRollsTheWholeStepBack) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const grpc::Status status =
      StepBy(&session, {"add_one", "add_one"}, {"counter", "crash_in_observation"});
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("add_one"));
  ExpectState(&session, "add_one = 1");
}

// ---- Time ----

TEST(FailureTableTest, NoTimeLeftForARetryIsAbortedUnconfirmed) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  // Crashes after more than half of the caller's time, so the retry cannot come to its end.
  Names actions(32, "slow_100ms");
  actions.push_back("crash");
  const grpc::Status status = StepBy(&session, actions, {}, nullptr, absl::Seconds(6));
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED) << status.error_message();
  EXPECT_THAT(status.error_message(), AllOf(HasSubstr("unconfirmed"), HasSubstr("signal 11")));
  const absl::optional<WorkerFailure> failure = FailureOf(status);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->cause(), WorkerFailure::SIGNAL);
  ExpectState(&session, "add_one = 1");
}

TEST(FailureTableTest, WithoutRetriesACrashIsAbortedUnconfirmed) {
  MisbehavingService service({"--step_retries=0"});
  TestSession session = service.NewSession(service.NewMarker());
  const grpc::Status status = StepBy(&session, {"crash_once"});
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), AllOf(HasSubstr("unconfirmed"), HasSubstr("crash_once")));
  EXPECT_EQ(StateOf(&session), " = 0");
}

class HangTest : public testing::TestWithParam<const char*> {};

TEST_P(HangTest, ExceedsTheStepTimeoutAndIsKilledWithoutARetry) {
  MisbehavingService service({"--step_timeout=2s"});
  const Bystander bystander(&service);
  const Marker marker = service.NewMarker();
  TestSession session = service.NewSession(marker);
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const pid_t worker = WorkerOf(&session);
  const grpc::Status status = StepBy(&session, {"add_one", GetParam()});
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), AllOf(HasSubstr(GetParam()), HasSubstr("--step_timeout")));
  const absl::optional<WorkerFailure> failure = FailureOf(status);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->cause(), WorkerFailure::TIME_LIMIT);
  EXPECT_EQ(failure->attempts(), 1);
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(worker); }));
  EXPECT_LE(marker.waiting(), 1) << "the step was tried again";
  ExpectState(&session, "add_one = 1");
}

INSTANTIATE_TEST_SUITE_P(Hangs, HangTest, testing::Values("hang_ignoring_sigterm", "wait"),
                         [](const auto& info) { return std::string(info.param); });

// ---- The session says no ----

struct OwnError {
  const char* action;
  StatusCode code;
  const char* text;
  bool keeps_worker;
};

class OwnErrorTest : public testing::TestWithParam<OwnError> {};

TEST_P(OwnErrorTest, IsPassedOnAndTheActionsBeforeItStayApplied) {
  const OwnError& error = GetParam();
  MisbehavingService service;
  const Bystander bystander(&service);
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"noop"}).ok());
  const pid_t worker = WorkerOf(&session);
  const grpc::Status status = StepBy(&session, {"add_one", error.action, "add_one"}, {"counter"});
  EXPECT_EQ(status.error_code(), error.code);
  EXPECT_THAT(status.error_message(),
              AllOf(HasSubstr(error.text), Not(StartsWith("Session not found"))));
  EXPECT_EQ(WorkerOf(&session) == worker, error.keeps_worker);
  ExpectState(&session, "noop,add_one = 1");
  EXPECT_TRUE(StepBy(&session, {"add_one"}).ok());
  ExpectState(&session, "noop,add_one,add_one = 2");
}

INSTANTIATE_TEST_SUITE_P(
    Errors, OwnErrorTest,
    testing::Values(
        OwnError{"fail_clean", StatusCode::FAILED_PRECONDITION, "failed, nothing changed", true},
        OwnError{"fail_dirty", StatusCode::INTERNAL, "failed half-way", false},
        OwnError{"unavailable", StatusCode::INTERNAL, "not available", false},
        OwnError{"not_found", StatusCode::NOT_FOUND, "found nothing", false},
        OwnError{"session_not_found_text", StatusCode::NOT_FOUND, "Session not found: 1", false},
        OwnError{"throw", StatusCode::INTERNAL, "thrown on purpose", false},
        OwnError{"throw_int", StatusCode::INTERNAL, "unknown type", false}),
    [](const auto& info) { return std::string(info.param.action); });

TEST(FailureTableTest, FailureInAnObservationKeepsTheActionsOfItsStep) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  const grpc::Status status =
      StepBy(&session, {"add_one", "add_one", "add_one"}, {"counter", "fail_in_observation"});
  EXPECT_EQ(status.error_code(), StatusCode::INTERNAL);
  EXPECT_THAT(status.error_message(), HasSubstr("cannot observe"));
  ExpectState(&session, "add_one,add_one,add_one = 3");
}

TEST(FailureTableTest, FailureAtTheEndOfAStepRollsTheStepBack) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const grpc::Status status = StepBy(&session, {"add_one", "fail_at_end_of_step", "add_one"});
  EXPECT_EQ(status.error_code(), StatusCode::INTERNAL);
  EXPECT_THAT(status.error_message(), HasSubstr("failed at the end of the step"));
  ExpectState(&session, "add_one = 1");
}

TEST(FailureTableTest, StepThatEndsEarlyRecordsWhatItApplied) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  compiler_gym::StepReply reply;
  ASSERT_TRUE(StepBy(&session, {"add_one", "end_session", "add_one"}, {}, &reply).ok());
  EXPECT_TRUE(reply.end_of_session());
  ExpectState(&session, "add_one,end_session = 1");
}

// ---- Parameters ----

TEST(FailureTableTest, ParameterThatKillsItsWorkerTwiceIsAborted) {
  MisbehavingService service;
  const Bystander bystander(&service);
  TestSession session = service.NewSession();
  ASSERT_TRUE(session.SendParameter("set_counter", "7").ok());
  const grpc::Status status = session.SendParameter("crash", "");
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), AllOf(HasSubstr("[crash]"), HasSubstr("signal 11")));
  const absl::optional<WorkerFailure> failure = FailureOf(status);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->attempts(), 2);
  EXPECT_EQ(failure->during(), "SendSessionParameter");
  ExpectState(&session, " = 7");
}

TEST(FailureTableTest, ParameterThatKillsItsWorkerOnceIsHandledOnce) {
  MisbehavingService service;
  TestSession session = service.NewSession(service.NewMarker());
  std::string reply;
  const grpc::Status status = session.SendParameter("crash_once", "", &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply, "1");
  ExpectState(&session, " = 1");
}

TEST(FailureTableTest, ParameterThatHangsExceedsTheTimeLimit) {
  MisbehavingService service({"--step_timeout=2s"});
  TestSession session = service.NewSession();
  ASSERT_TRUE(session.SendParameter("set_counter", "7").ok());
  const pid_t worker = WorkerOf(&session);
  const grpc::Status status = session.SendParameter("hang", "");
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), HasSubstr("[hang]"));
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(worker); }));
  ExpectState(&session, " = 7");
}

TEST(FailureTableTest, ParameterThatFailsLeavesTheSessionAsItWas) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  ASSERT_TRUE(session.SendParameter("set_counter", "7").ok());
  const grpc::Status failed = session.SendParameter("fail", "");
  EXPECT_EQ(failed.error_code(), StatusCode::INTERNAL);
  EXPECT_THAT(failed.error_message(), HasSubstr("parameter failed"));
  const grpc::Status bad = session.SendParameter("set_counter", "seven");
  EXPECT_EQ(bad.error_code(), StatusCode::INVALID_ARGUMENT);
  const grpc::Status unknown = session.SendParameter("no_such_key", "");
  EXPECT_EQ(unknown.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(unknown.error_message(), "Unknown parameter: no_such_key");
  const grpc::Status builtin =
      session.SendParameter("service.benchmark_cache.set_max_size_in_bytes", "-1");
  EXPECT_EQ(builtin.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(builtin.error_message(), HasSubstr("set_max_size_in_bytes is \"-1\""));
  ExpectState(&session, " = 7");
}

// ---- The recovery fails ----

struct Loss {
  const char* action;
  const char* text;
};

class LossTest : public testing::TestWithParam<Loss> {};

TEST_P(LossTest, IsDataLossUntilTheSessionIsEnded) {
  MisbehavingService service;
  const Bystander bystander(&service);
  TestSession session = service.NewSession(service.NewMarker());
  ASSERT_TRUE(StepBy(&session, {"add_one", GetParam().action, "add_one"}).ok());
  KillWorkerOf(&session);
  for (int i = 0; i < 2; ++i) {
    const grpc::Status status = StepBy(&session, {"noop"});
    EXPECT_EQ(status.error_code(), StatusCode::DATA_LOSS);
    EXPECT_THAT(status.error_message(),
                AllOf(HasSubstr(absl::StrCat(session.id())), HasSubstr(GetParam().text)));
  }
  EXPECT_EQ(session.SendParameter("get_counter", "").error_code(), StatusCode::DATA_LOSS);
  compiler_gym::ForkSessionRequest request;
  request.set_session_id(session.id());
  compiler_gym::ForkSessionReply reply;
  grpc::ClientContext context;
  EXPECT_EQ(session.stub().ForkSession(&context, request, &reply).error_code(),
            StatusCode::DATA_LOSS);
  EXPECT_EQ(session.End(), 1);  // The bystander's is left.
  EXPECT_EQ(StepBy(&session, {"noop"}).error_code(), StatusCode::NOT_FOUND);
}

INSTANTIATE_TEST_SUITE_P(Replays, LossTest,
                         testing::Values(Loss{"crash_on_replay", "signal 11"},
                                         Loss{"fail_on_replay", "failed on replay"},
                                         Loss{"add_pid", "the fingerprint after entry"}),
                         [](const auto& info) { return std::string(info.param.action); });

// However quick the steps are, the last one is known by its fingerprint.
TEST(FailureTableTest, ADifferenceAfterQuickStepsIsNoticed) {
  MisbehavingService service;
  for (int i = 0; i < 10; ++i) {
    TestSession session = service.NewSession();
    for (int step = 0; step < 4; ++step) ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
    ASSERT_TRUE(StepBy(&session, {"add_pid"}).ok());
    KillWorkerOf(&session);
    EXPECT_EQ(StepBy(&session, {}, {"counter"}).error_code(), StatusCode::DATA_LOSS);
    session.End();
  }
}

// Unlike a loss: with more space, the same may succeed.
TEST(FailureTableTest, BenchmarkThatIsRefusedForAWhileLosesNoSession) {
  MisbehavingService service;
  const Marker marker = service.NewMarker();
  TestSession session = service.NewSession("refuse-while-marked:" + marker.path());
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  KillWorkerOf(&session);
  WriteText(marker.path(), "");
  for (int i = 0; i < 4; ++i) {
    const grpc::Status status = StepBy(&session, {"add_one"});
    EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
    EXPECT_THAT(status.error_message(),
                AllOf(HasSubstr("its benchmark is refused now"), HasSubstr("no space is left"),
                      HasSubstr("as before this call")));
  }
  std::filesystem::remove(marker.path());
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  ExpectState(&session, "add_one,add_one = 2");
}

// Somebody kills every worker that takes up the session.
TEST(FailureTableTest, KillsFromOutsideLoseNoSession) {
  MisbehavingService service({"--max_workers=1"});
  const Marker marker = service.NewMarker();
  TestSession session = service.NewSession(marker);
  marker.Go();
  ASSERT_TRUE(StepBy(&session, {"add_one", "wait"}).ok());
  std::filesystem::remove(marker.path() + ".go");
  KillWorkerOf(&session);
  auto step = StepLater(&session, {"add_one"});
  const auto is_answered = [&step] {
    return step.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  };
  for (int replays = 2; !is_answered(); ++replays) {
    ASSERT_TRUE(WaitUntil([&] { return is_answered() || marker.waiting() == replays; }));
    if (!is_answered()) kill(service.workers().front(), SIGKILL);
  }
  const grpc::Status status = step.get();
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(),
              AllOf(HasSubstr("cannot be restored now"), HasSubstr("as before this call")));
  EXPECT_GT(marker.waiting(), 5);
  marker.Go();
  ExpectState(&session, "add_one,wait = 2");
}

TEST(FailureTableTest, AStartWhoseWorkersAreKilledMayBeSentAgain) {
  MisbehavingService service({"--max_workers=1"});
  const Marker marker = service.NewMarker();
  auto start = std::async(std::launch::async,
                          [&] { return service.TryStart("wait-in-init:" + marker.path()); });
  for (int attempt = 1; attempt <= 2; ++attempt) {
    ASSERT_TRUE(marker.AwaitWaiting(attempt));
    kill(service.workers().front(), SIGKILL);
  }
  const grpc::Status status = start.get();
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE) << status.error_message();
  EXPECT_EQ(service.CountSessions(), 0);
}

// Unlike a loss: with more memory, or a better hour, the same may succeed.
TEST(FailureTableTest, RecoveryThatExceedsALimitLeavesTheSessionForLater) {
  MisbehavingService service({"--worker_memory_limit_bytes=268435456"});
  const Marker marker = service.NewMarker();
  TestSession session = service.NewSession(marker);
  ASSERT_TRUE(StepBy(&session, {"add_one", "eat_memory_on_replay"}).ok());
  KillWorkerOf(&session);
  const grpc::Status status = StepBy(&session, {"add_one"});
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_THAT(status.error_message(),
              AllOf(HasSubstr("cannot be restored"), HasSubstr("--worker_memory_limit_bytes")));
  std::filesystem::remove(marker.path());  // The next replay is like the first time.
  EXPECT_TRUE(StepBy(&session, {"add_one"}).ok());
  EXPECT_EQ(StateOf(&session), "add_one,eat_memory_on_replay,add_one = 2");
}

}  // namespace
}  // namespace holdfast
