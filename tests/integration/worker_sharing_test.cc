// More sessions than workers, and workers that serve one session after another.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/misbehaving_service.h"

namespace holdfast {
namespace {

constexpr char kAskedBack[] = "holdfast_workers_asked_back_total{reason=\"pressure\"}";
constexpr char kReused[] = "holdfast_workers_reused_total";

std::string Ask(TestSession* session, const std::string& parameter) {
  std::string reply;
  const grpc::Status status = session->SendParameter(parameter, "", &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return reply;
}

TEST(PressureTest, ManySessionsShareFewWorkers) {
  constexpr int kWorkers = 2;
  constexpr int kSessions = 12;
  constexpr int kRounds = 8;
  MisbehavingService service({absl::StrCat("--max_workers=", kWorkers), "--park_after=0"});
  std::vector<std::unique_ptr<TestSession>> sessions;
  for (int i = 0; i < kSessions; ++i) {
    sessions.push_back(std::make_unique<TestSession>(service.NewSession()));
  }
  for (int round = 1; round <= kRounds; ++round) {
    for (int i = 0; i < kSessions; ++i) {
      for (int step = 0; step < i % 3; ++step) {
        const grpc::Status status = StepBy(sessions[i].get(), {"add_one"});
        ASSERT_TRUE(status.ok()) << status.error_message();
      }
    }
    EXPECT_LE(service.workers().size(), kWorkers);
  }
  for (int i = 0; i < kSessions; ++i) {
    EXPECT_EQ(Ask(sessions[i].get(), "get_counter"), absl::StrCat(kRounds * (i % 3)));
  }
  EXPECT_GE(service.Metric(kAskedBack), kSessions * kRounds / 2);
  EXPECT_EQ(service.Metric("holdfast_worker_requests_waiting"), 0);
  EXPECT_EQ(service.Metric("holdfast_broken_invariants_total"), 0);
}

// Who has a worker in a call that takes long does not keep the other worker for the third.
TEST(PressureTest, ALongCallShieldsNobodysWorker) {
  MisbehavingService service({"--max_workers=2", "--worker_wait_timeout=30s"});
  const Marker marker = service.NewMarker();
  TestSession slow = service.NewSession(marker);
  TestSession busy = service.NewSession();
  auto waiting = StepLater(&slow, {"wait"});
  ASSERT_TRUE(marker.AwaitWaiting());
  // Always one call under way and one behind it.
  std::atomic<bool> is_over{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      TestSession same(service, busy.id());
      while (!is_over) EXPECT_TRUE(StepBy(&same, {"slow_100ms"}).ok());
    });
  }
  EXPECT_TRUE(service.TryStart("ok").ok());
  is_over = true;
  for (std::thread& caller : callers) caller.join();
  marker.Go();
  EXPECT_TRUE(waiting.get().ok());
}

TEST(PressureTest, CallsThatAreGivenUpDoNotWaitForAWorker) {
  MisbehavingService service({"--max_workers=1", "--worker_wait_timeout=1h"});
  const Marker marker = service.NewMarker();
  TestSession slow = service.NewSession(marker);
  auto waiting = StepLater(&slow, {"wait"});
  ASSERT_TRUE(marker.AwaitWaiting());
  const auto waits = [&service](int count) {
    return WaitUntil([&] { return service.Metric("holdfast_worker_requests_waiting") == count; });
  };
  const auto client = service.NewClient();
  ASSERT_TRUE(AddBenchmark(client.get(), "benchmark://test/ok", "ok").ok());
  compiler_gym::StartSessionRequest request;
  request.mutable_benchmark()->set_uri("benchmark://test/ok");
  constexpr int kCalls = 5;
  grpc::ClientContext contexts[kCalls];
  std::vector<std::thread> calls;
  for (grpc::ClientContext& context : contexts) {
    calls.emplace_back([&client, &request, &context] {
      compiler_gym::StartSessionReply reply;
      EXPECT_EQ(client->StartSession(&context, request, &reply).error_code(),
                grpc::StatusCode::CANCELLED);
    });
  }
  EXPECT_TRUE(waits(kCalls));
  for (grpc::ClientContext& context : contexts) context.TryCancel();
  for (std::thread& call : calls) call.join();
  EXPECT_TRUE(waits(0));
  marker.Go();
  EXPECT_TRUE(waiting.get().ok());
  // Nobody waits any more, so it keeps its worker.
  const std::string pid = Ask(&slow, "get_pid");
  EXPECT_TRUE(StepBy(&slow, {"add_one"}).ok());
  EXPECT_EQ(Ask(&slow, "get_pid"), pid);
}

// Connections take turns, whoever has made the sessions that they call.
TEST(PressureTest, TurnsAreThoseOfTheCallingConnection) {
  constexpr int kGreedy = 12;
  MisbehavingService service({"--max_workers=1", "--park_after=0"});
  const auto greedy = service.NewClient();
  ASSERT_TRUE(AddBenchmark(greedy.get(), "benchmark://test/ok", "ok").ok());
  std::vector<int64_t> ids(kGreedy + 1);
  for (int64_t& id : ids) {
    ASSERT_TRUE(StartSession(greedy.get(), "benchmark://test/ok", 0, &id).ok());
  }
  TestSession modest(service, ids.back());
  const int64_t action = ActionIndex(&modest, "slow_100ms");
  std::atomic<int> done{0};
  std::vector<std::thread> calls;
  for (int i = 0; i < kGreedy; ++i) {
    calls.emplace_back([&, id = ids[i]] {
      compiler_gym::StepRequest request;
      request.set_session_id(id);
      request.add_action()->set_int64_value(action);
      compiler_gym::StepReply reply;
      grpc::ClientContext context;
      EXPECT_TRUE(greedy->Step(&context, request, &reply).ok());
      ++done;
    });
  }
  ASSERT_TRUE(WaitUntil([&] { return service.Metric("holdfast_worker_requests_waiting") > 4; }));
  const int before = done;
  EXPECT_TRUE(modest.Step({action}).ok());
  EXPECT_LE(done - before, 5);
  for (std::thread& call : calls) call.join();
}

TEST(PressureTest, ClientsThatStepAtOnceAllGetTheirTurns) {
  constexpr int kClients = 6;
  constexpr int kSteps = 20;
  MisbehavingService service({"--max_workers=2", "--park_after=0"});
  std::vector<std::thread> clients;
  for (int client = 0; client < kClients; ++client) {
    clients.emplace_back([&service] {
      TestSession first = service.NewSession();
      TestSession second = service.NewSession();
      for (int step = 0; step < kSteps; ++step) {
        for (TestSession* session : {&first, &second}) {
          const grpc::Status status = StepBy(session, {"add_one"});
          ASSERT_TRUE(status.ok()) << status.error_message();
        }
      }
      EXPECT_EQ(Ask(&first, "get_counter"), absl::StrCat(kSteps));
      EXPECT_EQ(Ask(&second, "get_counter"), absl::StrCat(kSteps));
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(service.Metric("holdfast_broken_invariants_total"), 0);
}

TEST(PressureTest, SessionInACallKeepsItsWorkerUntilItsEnd) {
  MisbehavingService service({"--max_workers=1", "--park_after=0"});
  const Marker marker = service.NewMarker();
  TestSession first = service.NewSession(marker);
  std::future<grpc::Status> waiting = StepLater(&first, {"wait", "add_one"});
  ASSERT_TRUE(marker.AwaitWaiting());
  std::future<TestSession> second =
      std::async(std::launch::async, [&service] { return service.NewSession(); });
  ASSERT_TRUE(WaitUntil([&] { return service.Metric(kAskedBack) == 1; }));
  EXPECT_EQ(marker.waiting(), 1);
  marker.Go();
  EXPECT_TRUE(waiting.get().ok());
  TestSession other = second.get();
  EXPECT_EQ(Ask(&other, "get_counter"), "0");
  EXPECT_EQ(StateOf(&first), "wait,add_one = 2");
}

class ReuseTest : public testing::Test {
 protected:
  // The only worker serves three sessions.
  ReuseTest() : service_({"--max_workers=1", "--warm_workers=0", "--worker_reuse=3"}) {}

  MisbehavingService service_;
};

TEST_F(ReuseTest, NothingIsLeftOfTheSessionBefore) {
  std::string pid;
  for (int session_number = 1; session_number <= 3; ++session_number) {
    TestSession session = service_.NewSession();
    if (session_number == 1) pid = Ask(&session, "get_pid");
    EXPECT_EQ(Ask(&session, "get_pid"), pid);
    EXPECT_EQ(StateOf(&session), " = 0");
    const std::string scratch = Ask(&session, "get_scratch_directory");
    EXPECT_TRUE(std::filesystem::is_empty(scratch));
    std::filesystem::create_directory(scratch + "/directory");
    WriteText(scratch + "/directory/file", "secret");
    EXPECT_TRUE(StepBy(&session, {"add_one"}).ok());
    session.End();
  }
  TestSession fourth = service_.NewSession();
  EXPECT_NE(Ask(&fourth, "get_pid"), pid);
  EXPECT_EQ(service_.Metric(kReused), 2);
}

TEST_F(ReuseTest, FailureTellsOfItsOwnSessionOnly) {
  TestSession first = service_.NewSession();
  EXPECT_TRUE(StepBy(&first, {"add_one", "add_one", "add_one"}).ok());
  first.End();
  TestSession second = service_.NewSession();
  ASSERT_TRUE(WaitUntil([&] { return service_.Metric(kReused) == 1; }));
  const grpc::Status status = StepBy(&second, {"add_one", "crash"});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  const absl::optional<WorkerFailure> failure = FailureOf(status);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->signal(), SIGSEGV);
  EXPECT_EQ(failure->activity_index(), 1);
  EXPECT_EQ(StateOf(&second), " = 0");
}

TEST_F(ReuseTest, WorkerWithProcessesThatAreLeftIsReplaced) {
  TestSession first = service_.NewSession();
  EXPECT_TRUE(StepBy(&first, {"fork_grandchild"}).ok());
  const pid_t left = std::stoi(Ask(&first, "get_grandchild"));
  const std::string pid = Ask(&first, "get_pid");
  first.End();
  TestSession second = service_.NewSession();
  EXPECT_NE(Ask(&second, "get_pid"), pid);
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(left); }));
  EXPECT_EQ(service_.Metric(kReused), 0);
}

class DaemonTest : public testing::TestWithParam<const char*> {};

TEST_P(DaemonTest, WorkerThatLeftOneIsReplaced) {
  MisbehavingService service({"--worker_reuse=100", GetParam()});
  TestSession first = service.NewSession();
  EXPECT_TRUE(StepBy(&first, {"fork_daemon"}).ok());
  const pid_t left = std::stoi(Ask(&first, "get_grandchild"));
  const std::string pid = Ask(&first, "get_pid");
  first.End();
  TestSession second = service.NewSession();
  EXPECT_NE(Ask(&second, "get_pid"), pid);
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(left); }));
  EXPECT_EQ(service.Metric(kReused), 0);
}

INSTANTIATE_TEST_SUITE_P(Mechanisms, DaemonTest,
                         testing::Values("--worker_cgroups=true", "--worker_cgroups=false"),
                         [](const auto& info) { return absl::StrCat("Way", info.index); });

TEST(GrownWorkerTest, SessionGoesOnInAFreshProcess) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  EXPECT_TRUE(StepBy(&session, {"add_one"}).ok());
  const std::string pid = Ask(&session, "get_pid");
  // Meanwhile it is seen how large the worker is by itself.
  TestSession other = service.NewSession();
  EXPECT_TRUE(StepBy(&other, Names(25, "slow_100ms")).ok());
  Ask(&session, "leak");
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(std::stoi(pid)); }));
  EXPECT_EQ(Ask(&session, "get_counter"), "1");
  EXPECT_EQ(service.Metric("holdfast_workers_asked_back_total{reason=\"growth\"}"), 1);
  EXPECT_EQ(service.Metric("holdfast_recoveries_total{outcome=\"restored\"}"), 0);
}

TEST(WarmWorkersTest, AreAsManyAsAreAskedForAndNoMoreAfterwards) {
  MisbehavingService service({"--warm_workers=1", "--worker_flags=--start_mode=slow"});
  std::vector<std::thread> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back([&service] { service.NewSession().End(); });
  }
  EXPECT_TRUE(WaitUntil([&] { return service.Metric("holdfast_warm_worker_target") > 1; }));
  for (std::thread& client : clients) client.join();
  EXPECT_TRUE(WaitUntil([&] { return service.workers().size() == 1; }, absl::Minutes(1)));
}

}  // namespace
}  // namespace holdfast
