// Sessions that give up their worker, and are none the wiser.
#include <gtest/gtest.h>
#include <signal.h>

#include <future>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/misbehaving_service.h"

namespace holdfast {
namespace {

constexpr char kParked[] = "holdfast_sessions{state=\"parked\"}";
constexpr char kRecovered[] = "holdfast_recoveries_total{outcome=\"restored\"}";
constexpr char kTaken[] = "holdfast_snapshots_total{outcome=\"taken\"}";
constexpr char kRestored[] = "holdfast_snapshots_total{outcome=\"restored\"}";

// With sessions that take snapshots, and with others.
class ParkingTest : public testing::TestWithParam<const char*> {
 protected:
  std::vector<std::string> With(std::vector<std::string> flags) {
    flags.push_back(absl::StrCat("--worker_flags=--snapshot_mode=", GetParam()));
    return flags;
  }
};

INSTANTIATE_TEST_SUITE_P(Snapshots, ParkingTest, testing::Values("none", "right"),
                         [](const auto& mode) { return std::string(mode.param); });

TEST_P(ParkingTest, ForgottenSessionsHoldNoWorkerAndGoOnAsTheyWere) {
  constexpr int kSessions = 5;
  MisbehavingService service(With({"--park_after=200ms", "--warm_workers=0"}));
  std::vector<TestSession> sessions;
  for (int i = 0; i < kSessions; ++i) {
    sessions.push_back(service.NewSession());
    ASSERT_TRUE(sessions[i].SendParameter("set_counter", absl::StrCat(10 * i)).ok());
    ASSERT_TRUE(StepBy(&sessions[i], {"slow_100ms", "add_one"}).ok());
  }
  ASSERT_TRUE(WaitUntil([&] { return service.Metric(kParked) == kSessions; }));
  // The last worker may wait for the next session.
  EXPECT_TRUE(WaitUntil([&] { return service.workers().size() <= 1; }));
  for (int i = 0; i < kSessions; ++i) {
    EXPECT_EQ(StateOf(&sessions[i]), absl::StrCat("slow_100ms,add_one = ", 10 * i + 1));
  }
  EXPECT_EQ(service.Metric(kRecovered), 0) << "nothing had failed";
  EXPECT_EQ(service.Metric(kRestored), GetParam() == std::string("right") ? kSessions : 0);
}

TEST_P(ParkingTest, SessionInACallIsNotParked) {
  MisbehavingService service(With({"--park_after=200ms"}));
  const Marker marker = service.NewMarker();
  TestSession busy = service.NewSession(marker);
  const pid_t worker = WorkerOf(&busy);
  std::future<grpc::Status> step = StepLater(&busy, {"wait", "add_one"});
  ASSERT_TRUE(marker.AwaitWaiting());
  // Whoever starts later is parked earlier.
  const TestSession idle = service.NewSession();
  ASSERT_TRUE(WaitUntil([&] { return service.Metric(kParked) == 1; }));
  EXPECT_TRUE(IsAlive(worker));
  marker.Go();
  EXPECT_TRUE(step.get().ok());
  EXPECT_EQ(marker.waiting(), 1);
  EXPECT_EQ(StateOf(&busy), "wait,add_one = 2");
}

TEST_P(ParkingTest, LeastRecentlyUsedGivesUpItsWorker) {
  MisbehavingService service(With({"--max_workers=2", "--park_after=0"}));
  TestSession first = service.NewSession();
  TestSession second = service.NewSession();
  const pid_t of_second = WorkerOf(&second);
  const pid_t of_first = WorkerOf(&first);
  const TestSession third = service.NewSession();
  EXPECT_EQ(WorkerOf(&first), of_first);
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(of_second); }));
}

TEST_P(ParkingTest, ManySessionsOnTwoWorkersThatAreKilled) {
  constexpr int kSessions = 8;
  MisbehavingService service(With({"--max_workers=2", "--park_after=200ms"}));
  std::mt19937 random(11);
  std::vector<TestSession> sessions;
  std::vector<int> counters(kSessions);
  for (int i = 0; i < kSessions; ++i) sessions.push_back(service.NewSession());
  for (int i = 0; i < 50; ++i) {
    const size_t chosen = random() % kSessions;
    if (i % 5 == 4) {
      const std::vector<pid_t> workers = service.workers();
      if (!workers.empty()) kill(workers[random() % workers.size()], SIGKILL);
    }
    const grpc::Status status = StepBy(&sessions[chosen], {"add_one"});
    ASSERT_TRUE(status.ok()) << status.error_message();
    ++counters[chosen];
    EXPECT_LE(service.workers().size(), 2u);
  }
  for (int i = 0; i < kSessions; ++i) {
    std::string names;
    for (int step = 0; step < counters[i]; ++step) {
      absl::StrAppend(&names, step == 0 ? "" : ",", "add_one");
    }
    EXPECT_EQ(StateOf(&sessions[i]), absl::StrCat(names, " = ", counters[i]));
  }
  EXPECT_EQ(service.Metric("holdfast_broken_invariants_total"), 0);
}

TEST(ParkedExampleTest, ParametersAndActionSpaceSurvive) {
  constexpr int kText = 0;
  constexpr int kFold = 0;
  constexpr int kExpand = 3;
  const ServiceProcess service("worker/example/example_worker",
                               {"--park_after=200ms", "--warm_workers=0"});
  // Folding so much takes long enough for a snapshot.
  std::string program = "T";
  for (int i = 0; i < 30'000; ++i) program += "+-";
  TestSession session(service, "benchmark://test-v0/long", program);
  ASSERT_TRUE(session.SendParameter("example.max_rewrites", "100000").ok());
  ASSERT_TRUE(session.Step({kFold}).ok());
  ASSERT_TRUE(session.SendParameter("example.max_rewrites", "5").ok());
  ASSERT_TRUE(session.Step({kExpand}).ok());
  for (int parked = 1; parked <= 2; ++parked) {
    ASSERT_TRUE(WaitUntil([&] { return service.Metric(kParked) == 1; }));
    EXPECT_GE(service.Metric(kTaken), 1);
    EXPECT_EQ(session.Observe(kText).string_value(), "+++");
    std::string reply;
    EXPECT_TRUE(session.SendParameter("example.get_max_rewrites", "", &reply).ok());
    EXPECT_EQ(reply, "5");
    EXPECT_EQ(session.Step({kExpand}).error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << "it is in the action space no more";
    EXPECT_EQ(service.Metric(kRestored), parked);
  }
}

class BoundSessionTest : public testing::Test {
 protected:
  BoundSessionTest()
      : service_({"--max_workers=1", "--park_after=100ms", "--worker_wait_timeout=500ms",
                  "--worker_flags=--not_replayable=true,--snapshot_mode=right"}),
        session_(service_.NewSession()) {
    EXPECT_TRUE(StepBy(&session_, {"slow_100ms", "add_one"}).ok());
  }

  MisbehavingService service_;
  TestSession session_;
};

TEST_F(BoundSessionTest, IsNeitherParkedNorForked) {
  const pid_t worker = WorkerOf(&session_);
  const grpc::Status other = service_.TryStart("ok");
  EXPECT_EQ(other.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(other.error_message().find("--max_workers"), std::string::npos);
  EXPECT_EQ(WorkerOf(&session_), worker);
  EXPECT_EQ(StateOf(&session_), "slow_100ms,add_one = 1");
  EXPECT_EQ(service_.Metric(kTaken), 0);

  compiler_gym::ForkSessionRequest request;
  request.set_session_id(session_.id());
  compiler_gym::ForkSessionReply reply;
  grpc::ClientContext context;
  const grpc::Status fork = session_.stub().ForkSession(&context, request, &reply);
  EXPECT_EQ(fork.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_NE(fork.error_message().find("cannot be replayed"), std::string::npos);
  EXPECT_EQ(session_.End(), 0);
}

TEST_F(BoundSessionTest, IsLostInACrash) {
  const grpc::Status crash = StepBy(&session_, {"crash"});
  EXPECT_EQ(crash.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_NE(crash.error_message().find("cannot be replayed"), std::string::npos);
  EXPECT_NE(crash.error_message().find("signal 11"), std::string::npos) << crash.error_message();
  EXPECT_EQ(StepBy(&session_, {"add_one"}).error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(session_.End(), 0);
}

TEST_F(BoundSessionTest, IsLostWithItsWorkerBetweenCalls) {
  KillWorkerOf(&session_);
  const grpc::Status next = StepBy(&session_, {"add_one"});
  EXPECT_EQ(next.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_NE(next.error_message().find("cannot be replayed"), std::string::npos);
}

}  // namespace
}  // namespace holdfast
