// Clients that give up or vanish, and sessions that are ended under them: what is left is
// consistent, and nothing runs on for nobody. The simple cases: failure_limits_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "tests/integration/misbehaving_service.h"
#include "tests/integration/running_program.h"

namespace holdfast {
namespace {

using grpc::StatusCode;
using testing::AnyOf;
using testing::HasSubstr;

constexpr absl::Duration kLong = absl::Minutes(2);
// At once, on a machine that has other things to do.
constexpr absl::Duration kPromptly = absl::Seconds(3);

// ---- A client that is a process of its own ----

// The first argument that makes this program a client.
constexpr absl::string_view kClientRole = "client";

// Makes one call and prints its status: client ADDRESS step|fork SESSION [ACTION...]
int RunClient(const std::vector<std::string>& arguments) {
  int64_t session = 0;
  if (arguments.size() < 3 || !absl::SimpleAtoi(arguments[2], &session)) return 2;
  const auto stub = ConnectTo(arguments[0]);
  grpc::ClientContext context;
  if (arguments[1] == "fork") {
    compiler_gym::ForkSessionRequest request;
    request.set_session_id(session);
    compiler_gym::ForkSessionReply reply;
    return stub->ForkSession(&context, request, &reply).error_code();
  }
  compiler_gym::StepRequest request;
  request.set_session_id(session);
  for (size_t i = 3; i < arguments.size(); ++i) {
    int64_t action = 0;
    if (!absl::SimpleAtoi(arguments[i], &action)) return 2;
    request.add_action()->set_int64_value(action);
  }
  compiler_gym::StepReply reply;
  return stub->Step(&context, request, &reply).error_code();
}

class ClientProcess : public RunningProgram {
 public:
  ClientProcess(const ServiceProcess& service, const std::string& method, TestSession* session,
                const Names& actions = {})
      : RunningProgram(Arguments(service, method, session, actions)) {}

 private:
  static std::vector<std::string> Arguments(const ServiceProcess& service,
                                            const std::string& method, TestSession* session,
                                            const Names& actions) {
    std::vector<std::string> arguments = {std::filesystem::read_symlink("/proc/self/exe"),
                                          std::string(kClientRole), service.address(), method,
                                          absl::StrCat(session->id())};
    for (const auto& action : actions) {
      arguments.push_back(absl::StrCat(ActionIndex(session, action)));
    }
    return arguments;
  }
};

// ---- Calls in this process ----

// One call in a thread of its own, which can be cancelled.
class CancellableCall {
 public:
  using Call = std::function<grpc::Status(grpc::ClientContext*)>;

  explicit CancellableCall(Call call, absl::Duration deadline = kLong) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
    status_ =
        std::async(std::launch::async, [this, call = std::move(call)] { return call(&context_); });
  }
  void Cancel() { context_.TryCancel(); }
  StatusCode Wait() { return status_.get().error_code(); }

 private:
  grpc::ClientContext context_;
  std::future<grpc::Status> status_;
};

CancellableCall::Call StepOf(TestSession* session, const Names& actions) {
  compiler_gym::StepRequest request;
  request.set_session_id(session->id());
  for (const auto& action : actions) {
    request.add_action()->set_int64_value(ActionIndex(session, action));
  }
  return [session, request](grpc::ClientContext* context) {
    compiler_gym::StepReply reply;
    return session->stub().Step(context, request, &reply);
  };
}

CancellableCall::Call ParameterOf(TestSession* session, const std::string& key,
                                  const std::string& value) {
  compiler_gym::SendSessionParameterRequest request;
  request.set_session_id(session->id());
  request.add_parameter()->set_key(key);
  request.mutable_parameter(0)->set_value(value);
  return [session, request](grpc::ClientContext* context) {
    compiler_gym::SendSessionParameterReply reply;
    return session->stub().SendSessionParameter(context, request, &reply);
  };
}

CancellableCall::Call ForkOf(TestSession* session) {
  compiler_gym::ForkSessionRequest request;
  request.set_session_id(session->id());
  return [session, request](grpc::ClientContext* context) {
    compiler_gym::ForkSessionReply reply;
    return session->stub().ForkSession(context, request, &reply);
  };
}

// A session in the middle of the step "wait", which the marker ends.
class CancellationTest : public testing::Test {
 protected:
  CancellationTest() : marker_(service_.NewMarker()), session_(service_.NewSession(marker_)) {}

  void BeginLongStep() {
    step_ = StepLater(&session_, {"wait"}, kLong);
    EXPECT_TRUE(marker_.AwaitWaiting());
  }
  void EndLongStep() {
    marker_.Go();
    const grpc::Status status = step_.get();
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  // Requests that the service holds: one that waits for its turn is among them.
  double Inflight() { return service_.Metric("holdfast_inflight_bytes").value_or(-1); }
  // Runs `call` and waits until the service holds its request.
  void AwaitQueued(const std::function<void()>& call) {
    const double before = Inflight();
    call();
    EXPECT_TRUE(WaitUntil([&] { return Inflight() > before; })) << "the call does not arrive";
  }

  MisbehavingService service_;
  const Marker marker_;
  TestSession session_;
  std::future<grpc::Status> step_;
};

// ---- Behind a long step ----

TEST_F(CancellationTest, QueuedCallsHonourTheirOwnDeadlinesAndThoseThatDidNotRunDidNothing) {
  BeginLongStep();
  std::vector<std::unique_ptr<CancellableCall>> late;
  AwaitQueued([&] {
    late.push_back(
        std::make_unique<CancellableCall>(StepOf(&session_, {"add_one"}), absl::Milliseconds(600)));
  });
  AwaitQueued([&] {
    late.push_back(std::make_unique<CancellableCall>(ParameterOf(&session_, "set_counter", "70"),
                                                     absl::Milliseconds(400)));
  });
  AwaitQueued([&] {
    late.push_back(std::make_unique<CancellableCall>(ForkOf(&session_), absl::Milliseconds(300)));
  });
  std::unique_ptr<CancellableCall> patient;
  AwaitQueued([&] {
    patient = std::make_unique<CancellableCall>(StepOf(&session_, {"add_one", "noop"}));
  });
  for (const auto& call : late) EXPECT_EQ(call->Wait(), StatusCode::DEADLINE_EXCEEDED);
  EndLongStep();
  EXPECT_EQ(patient->Wait(), StatusCode::OK);
  EXPECT_EQ(marker_.waiting(), 1) << "the long step was disturbed";
  ExpectState(&session_, "wait,add_one,noop = 2");
  EXPECT_EQ(service_.CountSessions(), 1) << "a fork was made";
}

TEST_F(CancellationTest, QueuedCallThatIsCancelledDoesNothing) {
  BeginLongStep();
  const double before = Inflight();
  std::unique_ptr<CancellableCall> call;
  AwaitQueued([&] {
    call = std::make_unique<CancellableCall>(StepOf(&session_, {"add_one", "crash"}));
  });
  call->Cancel();
  EXPECT_EQ(call->Wait(), StatusCode::CANCELLED);
  EXPECT_TRUE(WaitUntil([&] { return Inflight() == before; })) << "it still waits";
  EndLongStep();
  EXPECT_EQ(marker_.waiting(), 1) << "the long step was disturbed";
  ExpectState(&session_, "wait = 1");
}

TEST_F(CancellationTest, CallsBehindAStepThatIsCancelledGoOn) {
  ASSERT_TRUE(StepBy(&session_, {"add_one"}).ok());
  CancellableCall step(StepOf(&session_, {"add_one", "wait"}));
  ASSERT_TRUE(marker_.AwaitWaiting());
  std::unique_ptr<CancellableCall> queued;
  AwaitQueued([&] { queued = std::make_unique<CancellableCall>(StepOf(&session_, {"noop"})); });
  step.Cancel();
  EXPECT_EQ(step.Wait(), StatusCode::CANCELLED);
  EXPECT_EQ(queued->Wait(), StatusCode::OK);
  ExpectState(&session_, "add_one,noop = 1");
}

// ---- Clients that vanish ----

TEST_F(CancellationTest, StepOfAClientThatIsKilledIsRolledBack) {
  ASSERT_TRUE(StepBy(&session_, {"add_one"}).ok());
  const pid_t worker = WorkerOf(&session_);
  ClientProcess client(service_, "step", &session_, {"add_one", "wait"});
  ASSERT_TRUE(marker_.AwaitWaiting());
  client.Signal(SIGKILL);
  EXPECT_EQ(client.Wait(), -SIGKILL);
  // Nobody calls: the service notices by itself.
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(worker); })) << "the step goes on for nobody";
  ExpectState(&session_, "add_one = 1");
  ASSERT_TRUE(StepBy(&session_, {"add_one"}).ok());
  ExpectState(&session_, "add_one,add_one = 2");
}

TEST_F(CancellationTest, ClientThatIsKilledWhileItsForkWaitsLeavesNoFork) {
  BeginLongStep();
  const double before = Inflight();
  std::unique_ptr<ClientProcess> client;
  AwaitQueued([&] { client = std::make_unique<ClientProcess>(service_, "fork", &session_); });
  client->Signal(SIGKILL);
  EXPECT_EQ(client->Wait(), -SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return Inflight() == before; })) << "its call still waits";
  EndLongStep();
  EXPECT_EQ(service_.CountSessions(), 1);
  ExpectState(&session_, "wait = 1");
}

TEST_F(CancellationTest, ClientProcessThatIsPatientGetsItsAnswer) {
  // The other tests would pass if the client never came so far.
  ClientProcess client(service_, "step", &session_, {"add_one", "wait"});
  ASSERT_TRUE(marker_.AwaitWaiting());
  marker_.Go();
  EXPECT_EQ(client.Wait(), StatusCode::OK);
  ExpectState(&session_, "add_one,wait = 2");
}

// ---- Races ----

TEST_F(CancellationTest, CancelThatRacesWithTheAnswerLeavesStateAndHistoryInAgreement) {
  // The worker may have answered before the cancellation came: then the step counts.
  std::string expected = StateOf(&session_);
  int applied = 0;
  for (int i = 0; i < 40; ++i) {
    CancellableCall call(StepOf(&session_, {"add_one", "noop"}));
    // From before the request is sent to after the answer has come.
    for (int spin = 0; spin < i; ++spin) std::this_thread::yield();
    call.Cancel();
    EXPECT_THAT(call.Wait(), AnyOf(StatusCode::OK, StatusCode::CANCELLED));
    const std::string state = StateOf(&session_);
    if (state != expected) ++applied;
    expected = applied == 0 ? " = 0" : "";
    for (int j = 0; j < applied; ++j) {
      absl::StrAppend(&expected, j == 0 ? "" : ",", "add_one,noop");
    }
    if (applied > 0) absl::StrAppend(&expected, " = ", applied);
    ASSERT_EQ(state, expected);
  }
  ExpectState(&session_, expected);
}

// ---- Other calls that are cancelled ----

TEST_F(CancellationTest, CancelDuringTheReplayOfARecoveryLosesNothing) {
  marker_.Go();
  ASSERT_TRUE(StepBy(&session_, {"add_one", "wait"}).ok());
  // The replay comes to a halt in the action.
  std::filesystem::remove(marker_.path() + ".go");
  KillWorkerOf(&session_);
  {
    CancellableCall call(StepOf(&session_, {"add_one"}));
    ASSERT_TRUE(marker_.AwaitWaiting(2)) << "no replay";
    call.Cancel();
    EXPECT_EQ(call.Wait(), StatusCode::CANCELLED);
  }
  // The replay goes on without it. Another call waits for that; it is cancelled, too.
  {
    CancellableCall call(ParameterOf(&session_, "set_counter", "7"));
    call.Cancel();
    EXPECT_EQ(call.Wait(), StatusCode::CANCELLED);
  }
  // Until the service has taken notice: the next call is answered behind it.
  EXPECT_EQ(StepBy(&session_, {"noop"}, {}, nullptr, absl::Milliseconds(300)).error_code(),
            StatusCode::DEADLINE_EXCEEDED);
  marker_.Go();
  ASSERT_TRUE(StepBy(&session_, {"noop"}).ok());
  EXPECT_EQ(marker_.waiting(), 2) << "the replay was begun anew";
  ExpectState(&session_, "add_one,wait,noop = 2");
}

TEST_F(CancellationTest, StartThatIsCancelledInInitLeavesNoSessionAndNoWorker) {
  EXPECT_EQ(session_.End(), 0);
  const auto client = service_.NewClient();
  ASSERT_TRUE(AddBenchmark(client.get(), "benchmark://test/hang", "hang-in-init").ok());
  const auto leased = [&] { return service_.Metric("holdfast_workers{state=\"leased\"}"); };
  ASSERT_TRUE(WaitUntil([&] { return leased() == 0; }));
  CancellableCall start([&](grpc::ClientContext* context) {
    compiler_gym::StartSessionRequest request;
    request.mutable_benchmark()->set_uri("benchmark://test/hang");
    compiler_gym::StartSessionReply reply;
    return client->StartSession(context, request, &reply);
  });
  ASSERT_TRUE(WaitUntil([&] { return leased() == 1; }));
  start.Cancel();
  EXPECT_EQ(start.Wait(), StatusCode::CANCELLED);
  EXPECT_TRUE(WaitUntil([&] { return leased() == 0; })) << "its worker hangs on";
  EXPECT_EQ(service_.CountSessions(), 0);
  TestSession next = service_.NewSession();
  EXPECT_TRUE(StepBy(&next, {"add_one"}).ok());
}

// ---- EndSession ----

// What makes a worker hard to end.
struct Obstinacy {
  const char* name;
  // The step's last action; its first is "fork_grandchild", so that a test sees it begin.
  const char* action;
  int signal;  // To the worker, then; 0: none.
};

class EndSessionTest : public testing::TestWithParam<Obstinacy> {};

TEST_P(EndSessionTest, InMidStepIsPromptAndTheWorkerIsGone) {
  MisbehavingService service;
  TestSession session = service.NewSession(service.NewMarker());
  const pid_t worker = WorkerOf(&session);
  auto step = StepLater(&session, {"fork_grandchild", GetParam().action}, kLong);
  std::vector<pid_t> family;
  ASSERT_TRUE(WaitUntil([&] { return (family = FamilyOf(worker)).size() == 2; }));
  if (GetParam().signal != 0) kill(worker, GetParam().signal);
  const absl::Time start = absl::Now();
  EXPECT_EQ(session.End(), 0);
  EXPECT_LT(absl::Now() - start, kPromptly);
  EXPECT_EQ(step.get().error_code(), StatusCode::ABORTED);
  EXPECT_LT(absl::Now() - start, kPromptly);
  EXPECT_TRUE(WaitUntil([&] { return AllGone(family); }, start + kPromptly - absl::Now()));
}

// A worker is asked to end its session in good order first, and has a second for that.
TEST_P(EndSessionTest, BetweenCallsIsPromptAndTheWorkerIsGone) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  const pid_t worker = WorkerOf(&session);
  if (GetParam().signal != 0) kill(worker, GetParam().signal);
  const absl::Time start = absl::Now();
  EXPECT_EQ(session.End(), 0);
  EXPECT_LT(absl::Now() - start, kPromptly);
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(worker); }, start + kPromptly - absl::Now()));
}

INSTANTIATE_TEST_SUITE_P(Workers, EndSessionTest,
                         testing::Values(Obstinacy{"Waits", "wait", 0},
                                         Obstinacy{"IgnoresSigterm", "hang_ignoring_sigterm", 0},
                                         Obstinacy{"IsStopped", "hang", SIGSTOP}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(CancellationTest, EndSessionDuringTheReplayOfARecoveryIsPromptAndTheWorkerIsGone) {
  marker_.Go();
  ASSERT_TRUE(StepBy(&session_, {"wait"}).ok());
  std::filesystem::remove(marker_.path() + ".go");
  KillWorkerOf(&session_);
  auto step = StepLater(&session_, {"add_one"}, kLong);
  ASSERT_TRUE(marker_.AwaitWaiting(2)) << "no replay";
  const absl::Time start = absl::Now();
  EXPECT_EQ(session_.End(), 0);
  const grpc::Status status = step.get();
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("ended during this call"));
  EXPECT_LT(absl::Now() - start, kPromptly);
  EXPECT_TRUE(WaitUntil([&] { return service_.Metric("holdfast_workers{state=\"leased\"}") == 0; },
                        kPromptly));
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == holdfast::kClientRole) {
    return holdfast::RunClient(std::vector<std::string>(argv + 2, argv + argc));
  }
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
