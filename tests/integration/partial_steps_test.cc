// Calls that fail half-way: whatever the session says it kept is in its history, and nothing else.
// Each row is looked at twice, on the worker that is there, and on another that has only the
// history. A failure of the first or only action: failure_table_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/integration/misbehaving_service.h"

namespace holdfast {
namespace {

using grpc::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

struct Row {
  const char* name;
  Names actions;
  Names observations;
  StatusCode code;
  const char* state;  // After the call.
  // The session after another step of "add_one": a worker that was kept must go on from there, too.
  const char* next_state;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

// Each session has applied "add_one" before.
const Row kSteps[] = {
    // Action 2 of 3.
    {"CleanError",
     {"add_one", "fail_clean", "add_one"},
     {},
     StatusCode::FAILED_PRECONDITION,
     "add_one,add_one = 2",
     "add_one,add_one,add_one = 3"},
    {"DirtyError",
     {"add_one", "fail_dirty", "add_one"},
     {},
     StatusCode::INTERNAL,
     "add_one,add_one = 2",
     "add_one,add_one,add_one = 3"},
    {"Crash",
     {"add_one", "crash", "add_one"},
     {},
     StatusCode::ABORTED,
     "add_one = 1",
     "add_one,add_one = 2"},
    {"CrashOnce",
     {"add_one", "crash_once", "add_one"},
     {},
     StatusCode::OK,
     "add_one,add_one,crash_once,add_one = 4",
     "add_one,add_one,crash_once,add_one,add_one = 5"},
    // The crash is met once, the error behind it stays.
    {"CrashOnceThenDirtyError",
     {"crash_once", "add_one", "fail_dirty"},
     {},
     StatusCode::INTERNAL,
     "add_one,crash_once,add_one = 3",
     "add_one,crash_once,add_one,add_one = 4"},
    // The last of 3: all before it stay.
    {"DirtyErrorAtTheEnd",
     {"add_one", "add_one", "fail_dirty"},
     {"counter"},
     StatusCode::INTERNAL,
     "add_one,add_one,add_one = 3",
     "add_one,add_one,add_one,add_one = 4"},
    // Nothing before the error: there is no entry of no actions in the history.
    {"DirtyErrorAtTheBeginning",
     {"fail_dirty", "add_one", "add_one"},
     {},
     StatusCode::INTERNAL,
     "add_one = 1",
     "add_one,add_one = 2"},
    // An observation after 3 actions.
    {"CrashInAnObservation",
     {"add_one", "noop", "add_one"},
     {"counter", "crash_in_observation"},
     StatusCode::ABORTED,
     "add_one = 1",
     "add_one,add_one = 2"},
    {"ErrorInTheFirstOfTwoObservations",
     {"add_one", "noop", "add_one"},
     {"fail_in_observation", "counter"},
     StatusCode::INTERNAL,
     "add_one,add_one,noop,add_one = 3",
     "add_one,add_one,noop,add_one,add_one = 4"},
    // After no action the failure leaves nothing to record.
    {"ErrorInAnObservationAlone",
     {},
     {"fail_in_observation"},
     StatusCode::INTERNAL,
     "add_one = 1",
     "add_one,add_one = 2"},
    {"CrashInAnObservationAlone",
     {},
     {"crash_in_observation"},
     StatusCode::ABORTED,
     "add_one = 1",
     "add_one,add_one = 2"},
    // The end of the step.
    {"ErrorAtTheEndOfTheStep",
     {"add_one", "add_one", "fail_at_end_of_step"},
     {"counter"},
     StatusCode::INTERNAL,
     "add_one = 1",
     "add_one,add_one = 2"},
    // The first error is the answer; the step's end failing, too, takes the actions with it.
    {"CleanErrorAndErrorAtTheEndOfTheStep",
     {"fail_at_end_of_step", "add_one", "fail_clean"},
     {},
     StatusCode::FAILED_PRECONDITION,
     "add_one = 1",
     "add_one,add_one = 2"},
    // An action space of its own for the rest of the step: the history must lead there, too.
    {"DirtyErrorAfterAChangeOfSpace",
     {"add_one", "change_space", "fail_dirty"},
     {},
     StatusCode::INTERNAL,
     "add_one,add_one,change_space = 2",
     "add_one,add_one,change_space,add_one = 3"},
};

class PartialStepTest : public testing::TestWithParam<Row> {};

TEST_P(PartialStepTest, StateAndHistoryAgree) {
  const Row& row = GetParam();
  MisbehavingService service;
  TestSession session = service.NewSession(service.NewMarker());
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const grpc::Status status = StepBy(&session, row.actions, row.observations);
  EXPECT_EQ(status.error_code(), row.code) << status.error_message();
  ExpectState(&session, row.state);
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  ExpectState(&session, row.next_state);
}

TEST_P(PartialStepTest, KilledBeforeItsStateIsLookedAtTheSessionIsThatOfItsHistory) {
  const Row& row = GetParam();
  MisbehavingService service;
  TestSession session = service.NewSession(service.NewMarker());
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const grpc::Status status = StepBy(&session, row.actions, row.observations);
  EXPECT_EQ(status.error_code(), row.code) << status.error_message();
  KillWorkerOf(&session);
  EXPECT_EQ(StateOf(&session), row.state);
}

// A fork has nothing but the history.
TEST_P(PartialStepTest, ForkIsEqual) {
  const Row& row = GetParam();
  MisbehavingService service;
  TestSession session = service.NewSession(service.NewMarker());
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const grpc::Status status = StepBy(&session, row.actions, row.observations);
  EXPECT_EQ(status.error_code(), row.code) << status.error_message();
  TestSession fork = session.Fork();
  EXPECT_EQ(StateOf(&fork), row.state);
  EXPECT_EQ(StateOf(&session), row.state);
}

INSTANTIATE_TEST_SUITE_P(Steps, PartialStepTest, testing::ValuesIn(kSteps),
                         [](const auto& info) { return std::string(info.param.name); });

// ---- Several parameters in one call: all or none ----

using Parameters = std::vector<std::pair<std::string, std::string>>;

struct ParameterRow {
  const char* name;
  Parameters parameters;
  StatusCode code;
  std::vector<std::string> replies;
  const char* state;
};

void PrintTo(const ParameterRow& row, std::ostream* out) { *out << row.name; }

// Each session has applied "add_one" before.
const ParameterRow kParameterCalls[] = {
    {"AllGood",
     {{"set_counter", "7"}, {"get_counter", ""}, {"set_counter", "9"}},
     StatusCode::OK,
     {"7", "7", "9"},
     "add_one = 9"},
    {"CrashOnce",
     {{"set_counter", "7"}, {"crash_once", ""}, {"get_counter", ""}},
     StatusCode::OK,
     {"7", "8", "8"},
     "add_one = 8"},
    {"Crash",
     {{"set_counter", "7"}, {"crash", ""}, {"set_counter", "9"}},
     StatusCode::ABORTED,
     {},
     "add_one = 1"},
    {"DirtyError",
     {{"set_counter", "7"}, {"fail", ""}, {"set_counter", "9"}},
     StatusCode::INTERNAL,
     {},
     "add_one = 1"},
    {"CleanError",
     {{"set_counter", "7"}, {"set_counter", "8"}, {"set_counter", "many"}},
     StatusCode::INVALID_ARGUMENT,
     {},
     "add_one = 1"},
    {"UnknownKey",
     {{"set_counter", "7"}, {"no_such_key", ""}},
     StatusCode::INVALID_ARGUMENT,
     {},
     "add_one = 1"},
    {"ErrorBeforeAnyChange",
     {{"get_counter", ""}, {"fail", ""}, {"set_counter", "9"}},
     StatusCode::INTERNAL,
     {},
     "add_one = 1"},
};

class PartialParametersTest : public testing::TestWithParam<ParameterRow> {};

TEST_P(PartialParametersTest, AllOrNoneAreApplied) {
  const ParameterRow& row = GetParam();
  MisbehavingService service;
  TestSession session = service.NewSession(service.NewMarker());
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  compiler_gym::SendSessionParameterRequest request;
  request.set_session_id(session.id());
  for (const auto& parameter : row.parameters) {
    request.add_parameter()->set_key(parameter.first);
    request.mutable_parameter()->rbegin()->set_value(parameter.second);
  }
  compiler_gym::SendSessionParameterReply reply;
  grpc::ClientContext context;
  const grpc::Status status = session.stub().SendSessionParameter(&context, request, &reply);
  EXPECT_EQ(status.error_code(), row.code) << status.error_message();
  EXPECT_EQ(std::vector<std::string>(reply.reply().begin(), reply.reply().end()), row.replies);
  ExpectState(&session, row.state);
  EXPECT_TRUE(StepBy(&session, {"noop"}).ok());
}

INSTANTIATE_TEST_SUITE_P(Calls, PartialParametersTest, testing::ValuesIn(kParameterCalls),
                         [](const auto& info) { return std::string(info.param.name); });

// ---- Failures on top of failures ----

TEST(PartialStepsTest, ErrorsOneAfterAnotherAddUp) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(StepBy(&session, {"add_one", "fail_dirty", "add_one"}).error_code(),
              StatusCode::INTERNAL);
    EXPECT_EQ(StepBy(&session, {"noop", "add_one", "crash"}).error_code(), StatusCode::ABORTED);
    EXPECT_EQ(StepBy(&session, {"add_one", "fail_clean"}).error_code(),
              StatusCode::FAILED_PRECONDITION);
    KillWorkerOf(&session);
  }
  ExpectState(&session, "add_one,add_one,add_one,add_one,add_one,add_one = 6");
}

TEST(PartialStepsTest, WorkerKilledInTheStepAndErrorInItsRetryCountOnce) {
  MisbehavingService service;
  const Marker marker = service.NewMarker();
  TestSession session = service.NewSession(marker);
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const pid_t worker = WorkerOf(&session);
  auto step = StepLater(&session, {"add_one", "wait", "fail_dirty"});
  ASSERT_TRUE(marker.AwaitWaiting());
  kill(worker, SIGKILL);
  ASSERT_TRUE(marker.AwaitWaiting(2)) << "no retry";
  marker.Go();
  EXPECT_EQ(step.get().error_code(), StatusCode::INTERNAL);
  ExpectState(&session, "add_one,add_one,wait = 3");
}

}  // namespace
}  // namespace holdfast
