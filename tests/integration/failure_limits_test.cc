// The failure table's other rows: sessions that do not start, calls that wait, end or are given up,
// wrong requests, and workers that cannot be started. What fails inside of a session:
// failure_table_test.cc.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/misbehaving_service.h"

namespace holdfast {
namespace {

using grpc::StatusCode;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int64_t kUnknownId = 12345;

// ---- Init ----

struct BadProgram {
  const char* program;
  StatusCode code;
  const char* text;
  int attempts;  // 0: no worker failed.
};

class BadProgramTest : public testing::TestWithParam<BadProgram> {};

TEST_P(BadProgramTest, StartsNoSession) {
  const BadProgram& bad = GetParam();
  MisbehavingService service({"--step_timeout=2s"});
  TestSession other = service.NewSession();
  // A start that waits for its worker for long does not blame the program for what it takes.
  EXPECT_TRUE(WaitUntil([&] { return service.Metric("holdfast_workers{state=\"idle\"}") > 0; }));
  const grpc::Status status = service.TryStart(bad.program);
  EXPECT_EQ(status.error_code(), bad.code) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr(bad.text));
  const absl::optional<WorkerFailure> failure = FailureOf(status);
  ASSERT_EQ(failure.has_value(), bad.attempts > 0);
  if (failure.has_value()) {
    EXPECT_THAT(status.error_message(), HasSubstr(absl::StrCat("benchmark://test/", bad.program)));
    EXPECT_EQ(failure->attempts(), bad.attempts);
    EXPECT_EQ(failure->during(), "StartSession");
    EXPECT_FALSE(failure->session_restored());
  }
  EXPECT_TRUE(StepBy(&other, {"add_one"}).ok());
  EXPECT_EQ(other.End(), 0) << "a session is left";
}

INSTANTIATE_TEST_SUITE_P(
    Programs, BadProgramTest,
    testing::Values(BadProgram{"crash-in-init", StatusCode::INVALID_ARGUMENT, "signal 11", 2},
                    BadProgram{"hang-in-init", StatusCode::INVALID_ARGUMENT, "time limit", 1},
                    BadProgram{"fail-in-init", StatusCode::FAILED_PRECONDITION, "bad program", 0},
                    BadProgram{"not-found-in-init", StatusCode::INVALID_ARGUMENT,
                               "no such function", 0},
                    BadProgram{"throw-in-init", StatusCode::INTERNAL, "init threw", 0}),
    [](const auto& info) {
      std::string name = info.param.program;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST(FailureLimitsTest, CrashInInitThatDoesNotRepeatStartsTheSession) {
  MisbehavingService service;
  TestSession session =
      service.NewSession(absl::StrCat("crash-in-init-once:", service.NewMarker().path()));
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  ExpectState(&session, "add_one = 1");
}

// ---- Waiting ----

TEST(FailureLimitsTest, NoFreeWorkerInTimeIsResourceExhausted) {
  MisbehavingService service({"--max_workers=1", "--worker_wait_timeout=2s"});
  const Marker marker = service.NewMarker();
  TestSession session = service.NewSession(marker);
  auto step = StepLater(&session, {"wait"});  // Between calls it would give up its worker.
  ASSERT_TRUE(marker.AwaitWaiting());
  const grpc::Status status = service.TryStart("ok");
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("--max_workers"));
  marker.Go();
  EXPECT_TRUE(step.get().ok());
  EXPECT_TRUE(service.TryStart("ok").ok());
  ExpectState(&session, "wait = 1");
}

TEST(FailureLimitsTest, CallQueuedBehindALongStepHasItsOwnDeadline) {
  MisbehavingService service;
  const Marker marker = service.NewMarker();
  TestSession session = service.NewSession(marker);
  auto step = StepLater(&session, {"wait"});
  ASSERT_TRUE(marker.AwaitWaiting());
  const grpc::Status queued = StepBy(&session, {"add_one"}, {}, nullptr, absl::Milliseconds(200));
  EXPECT_EQ(queued.error_code(), StatusCode::DEADLINE_EXCEEDED);
  marker.Go();
  EXPECT_TRUE(step.get().ok());
  EXPECT_EQ(marker.waiting(), 1) << "the long step was disturbed";
  ExpectState(&session, "wait = 1");
}

TEST(FailureLimitsTest, EndSessionInMidStepIsOkAtOnceAndTheStepIsAborted) {
  MisbehavingService service;
  TestSession other = service.NewSession();
  const Marker marker = service.NewMarker();
  TestSession session = service.NewSession(marker);
  const pid_t worker = WorkerOf(&session);
  auto step = StepLater(&session, {"wait"});
  ASSERT_TRUE(marker.AwaitWaiting());
  EXPECT_EQ(session.End(), 1);  // The step never ends by itself.
  const grpc::Status status = step.get();
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("ended during this call"));
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(worker); }));
  EXPECT_EQ(StepBy(&session, {"noop"}).error_code(), StatusCode::NOT_FOUND);
  EXPECT_TRUE(StepBy(&other, {"noop"}).ok());
}

// ---- The client gives up ----

// The next call must find the session as before the step, whose worker is of no use any more.
void ExpectRolledBack(TestSession* session, pid_t worker) {
  EXPECT_EQ(StateOf(session), "add_one = 1");
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(worker); }));
  EXPECT_TRUE(StepBy(session, {"add_one"}).ok());
  ExpectState(session, "add_one,add_one = 2");
}

TEST(FailureLimitsTest, StepThatTheClientCancelsIsRolledBack) {
  MisbehavingService service;
  const Marker marker = service.NewMarker();
  TestSession session = service.NewSession(marker);
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const pid_t worker = WorkerOf(&session);
  compiler_gym::StepRequest request;
  request.set_session_id(session.id());
  request.add_action()->set_int64_value(ActionIndex(&session, "add_one"));
  request.add_action()->set_int64_value(ActionIndex(&session, "wait"));
  grpc::ClientContext context;
  compiler_gym::StepReply reply;
  auto step = std::async(std::launch::async,
                         [&] { return session.stub().Step(&context, request, &reply); });
  ASSERT_TRUE(marker.AwaitWaiting());
  context.TryCancel();
  EXPECT_EQ(step.get().error_code(), StatusCode::CANCELLED);
  ExpectRolledBack(&session, worker);
}

TEST(FailureLimitsTest, StepThatOutlastsTheClientsDeadlineIsRolledBack) {
  MisbehavingService service;
  TestSession session = service.NewSession(service.NewMarker());
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const pid_t worker = WorkerOf(&session);
  const grpc::Status status =
      StepBy(&session, {"add_one", "wait"}, {}, nullptr, absl::Milliseconds(500));
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  ExpectRolledBack(&session, worker);
}

// ---- Wrong requests ----

TEST(FailureLimitsTest, UnknownSessionIsNotFoundButMayBeEnded) {
  MisbehavingService service;
  TestSession known = service.NewSession();
  TestSession unknown(service, kUnknownId);
  compiler_gym::ForkSessionRequest request;
  request.set_session_id(kUnknownId);
  compiler_gym::ForkSessionReply reply;
  grpc::ClientContext context;
  for (const grpc::Status& status : {unknown.Step({0}), unknown.SendParameter("get_pid", ""),
                                     unknown.stub().ForkSession(&context, request, &reply)}) {
    EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
    EXPECT_EQ(status.error_message(), "Session not found: 12345");
  }
  EXPECT_EQ(unknown.End(), 1);
}

TEST(FailureLimitsTest, WrongStepSaysWhatIsWrongAndChangesNothing) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const pid_t worker = WorkerOf(&session);
  using Request = compiler_gym::StepRequest;
  const struct {
    std::function<void(Request*)> spoil;
    const char* text;
  } kCases[] = {
      {[](Request* request) { request->add_action()->set_int64_value(9999); },
       "action[1].int64_value is 9999, must be in [0, "},
      {[](Request* request) { request->add_action()->set_int64_value(-1); },
       "action[1].int64_value is -1, must be in [0, "},
      {[](Request* request) { request->add_action()->set_string_value("gvn"); },
       "action[1] has string_value, must have int64_value"},
      {[](Request* request) { request->add_action(); },
       "action[1] has no value, must have int64_value"},
      {[](Request* request) { request->add_observation_space(99); },
       "observation_space is 99, must be in [0, 7]"},
      {[](Request* request) { request->add_observation_space(-1); },
       "observation_space is -1, must be in [0, 7]"},
  };
  for (const auto& test_case : kCases) {
    Request request;
    request.set_session_id(session.id());
    request.add_action()->set_int64_value(ActionIndex(&session, "add_one"));
    test_case.spoil(&request);
    compiler_gym::StepReply reply;
    grpc::ClientContext context;
    const grpc::Status status = session.stub().Step(&context, request, &reply);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << test_case.text;
    EXPECT_THAT(status.error_message(), HasSubstr(test_case.text));
  }
  EXPECT_EQ(WorkerOf(&session), worker);
  ExpectState(&session, "add_one = 1");
}

TEST(FailureLimitsTest, NumberOutOfItsSpacesRangeIsRefused) {
  MisbehavingService service;
  TestSession session(service, "benchmark://test/ok", "ok", /*action_space=*/1);
  ASSERT_TRUE(session.Step({100, -3}).ok());
  const grpc::Status status = session.Step({1, 101});
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("action[1] is 101, must be in [-100, 100]"));
  ExpectState(&session, "100,-3 = 97");
}

TEST(FailureLimitsTest, WrongStartSaysWhatIsWrong) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  using Request = compiler_gym::StartSessionRequest;
  const struct {
    std::function<void(Request*)> spoil;
    StatusCode code;
    const char* text;
  } kCases[] = {
      {[](Request* request) { request->clear_benchmark(); }, StatusCode::INVALID_ARGUMENT,
       "benchmark.uri is missing"},
      {[](Request* request) { request->mutable_benchmark()->set_uri("benchmark://test/none"); },
       StatusCode::NOT_FOUND, "Benchmark not found: benchmark://test/none"},
      {[](Request* request) { request->set_action_space(2); }, StatusCode::INVALID_ARGUMENT,
       "action_space is 2, must be in [0, 1]"},
      {[](Request* request) { request->add_observation_space(8); }, StatusCode::INVALID_ARGUMENT,
       "observation_space is 8, must be in [0, 7]"},
  };
  for (const auto& test_case : kCases) {
    Request request;
    request.mutable_benchmark()->set_uri("benchmark://test/ok");
    test_case.spoil(&request);
    compiler_gym::StartSessionReply reply;
    grpc::ClientContext context;
    const grpc::Status status = session.stub().StartSession(&context, request, &reply);
    EXPECT_EQ(status.error_code(), test_case.code) << test_case.text;
    EXPECT_THAT(status.error_message(), HasSubstr(test_case.text));
  }
  EXPECT_EQ(service.CountSessions(), 1);
}

TEST(FailureLimitsTest, WrongBenchmarkSaysWhatIsWrong) {
  MisbehavingService service;
  const auto client = service.NewClient();
  EXPECT_THAT(AddBenchmark(client.get(), "", "ok").error_message(),
              HasSubstr("benchmark[0].uri is missing"));
  // It stands in logs and lists.
  EXPECT_TRUE(AddBenchmark(client.get(), "benchmark://test/" + std::string(4000, 'x'), "ok").ok());
  EXPECT_THAT(AddBenchmark(client.get(), "benchmark://test/" + std::string(5000, 'x'), "ok")
                  .error_message(),
              HasSubstr("benchmark[0].uri has 5017 bytes, must have at most 4096"));
  compiler_gym::AddBenchmarkRequest request;
  request.add_benchmark()->set_uri("benchmark://test/empty");
  compiler_gym::AddBenchmarkReply reply;
  grpc::ClientContext context;
  const grpc::Status status = client->AddBenchmark(&context, request, &reply);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("benchmark[0].program of benchmark://test/empty"));
}

// ---- Workers cannot be started ----

// A marker file for --start_marker; the service is not there yet, so it is not in its directory.
std::string StartMarker() {
  std::string path = testing::TempDir() + "/starts-XXXXXX";
  const int fd = mkostemp(path.data(), O_CLOEXEC);
  EXPECT_GE(fd, 0);
  close(fd);
  return path;
}

// So many starts there were.
int CountStarts(const std::string& file) { return static_cast<int>(ReadText(file).size()); }

// Starts fail as long as the file is empty or short; this ends it.
constexpr int kManyStarts = 1000;
void MendStarts(const std::string& file) { WriteText(file, std::string(kManyStarts, '.')); }

std::string StartFlags(const std::string& mode, const std::string& file) {
  return absl::StrCat("--worker_flags=--start_mode=", mode, ",--start_marker=", file,
                      ",--start_failures=", kManyStarts);
}

class BadStartTest : public testing::TestWithParam<const char*> {
 protected:
  const std::string starts_ = StartMarker();
};

TEST_P(BadStartTest, CallsFailWithTheReasonWithoutAStormUntilItIsMended) {
  MisbehavingService service(
      {StartFlags(GetParam(), starts_), "--worker_start_timeout=500ms", "--warm_workers=2"});
  const auto client = service.NewClient();
  // The first call waits until starts are known to fail; those that follow fail at once.
  for (int i = 0; i < 3; ++i) {
    compiler_gym::GetSpacesReply reply;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
    const grpc::Status status = client->GetSpaces(&context, {}, &reply);
    EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
    EXPECT_THAT(status.error_message(), AllOf(StartsWith("workers cannot be started"),
                                              HasSubstr("starting with start_mode=")));
  }
  EXPECT_LE(CountStarts(starts_), 12) << "a storm of starts";
  EXPECT_EQ(service.TryStart("ok").error_code(), StatusCode::UNAVAILABLE);

  MendStarts(starts_);
  EXPECT_TRUE(WaitUntil([&] { return service.TryStart("ok").ok(); }, absl::Seconds(30)));
  EXPECT_EQ(service.CountSessions(), 1);
  std::filesystem::remove(starts_);
}

INSTANTIATE_TEST_SUITE_P(Modes, BadStartTest,
                         testing::Values("exit_127", "exit_1", "crash", "hang"),
                         [](const auto& info) { return std::string(info.param); });

TEST(FailureLimitsTest, SessionOutlivesATimeInWhichNoWorkerStarts) {
  const std::string starts = StartMarker();
  MendStarts(starts);
  MisbehavingService service({StartFlags("exit_127", starts), "--warm_workers=0"});
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const pid_t worker = WorkerOf(&session);
  WriteText(starts, "");
  for (const pid_t pid : service.workers()) kill(pid, SIGKILL);
  ASSERT_TRUE(WaitUntil([&] { return !IsAlive(worker); }));
  const grpc::Status status = StepBy(&session, {"add_one"});
  // ABORTED: the front had not yet seen the worker's end when the call came.
  EXPECT_THAT(status.error_code(), AnyOf(StatusCode::UNAVAILABLE, StatusCode::ABORTED));
  EXPECT_THAT(status.error_message(), HasSubstr("starting with start_mode=exit_127"));
  MendStarts(starts);
  EXPECT_TRUE(WaitUntil([&] { return StepBy(&session, {"add_one"}).ok(); }, absl::Seconds(30)));
  ExpectState(&session, "add_one,add_one = 2");
  std::filesystem::remove(starts);
}

}  // namespace
}  // namespace holdfast
