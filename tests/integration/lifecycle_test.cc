// How a service ends: orderly, suddenly, or in parts, and what that leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using grpc::StatusCode;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kExampleWorker[] = "worker/example/example_worker";
constexpr char kMisbehavingWorker[] = "tests/testcases/misbehaving_worker";
constexpr char kHoldfast[] = "frontend/holdfast";
constexpr char kUri[] = "benchmark://test/program";
constexpr absl::Duration kLong = absl::Minutes(2);

// ---- Unix sockets ----

class UnixSocketTest : public testing::Test {
 protected:
  bool IsThere() const { return fs::exists(fs::symlink_status(socket_)); }

  const TemporaryDirectory directory_;
  const std::string socket_ = directory_ / "socket";
  AnnouncedService service_{{RunfilePath(kExampleWorker), "--listen=unix:" + socket_},
                            {"", {"TMPDIR=" + directory_.path()}}};
};

TEST_F(UnixSocketTest, ServesTheUserOnlyAndIsGoneAfterTheExit) {
  EXPECT_EQ(service_.address(), "unix:" + socket_);
  EXPECT_EQ(ModeOf(socket_), 0600u);
  const grpc::Status status = GetSpaces(ConnectTo("unix:" + socket_).get());
  EXPECT_TRUE(status.ok()) << status.error_message();
  service_.Signal(SIGTERM);
  EXPECT_EQ(service_.Wait(), 0);
  EXPECT_FALSE(IsThere());
}

TEST_F(UnixSocketTest, IsGoneAfterTheFrontWasKilled) {
  service_.address();
  const std::vector<pid_t> family = FamilyOf(service_.pid());
  service_.Signal(SIGKILL);
  EXPECT_EQ(service_.Wait(), -SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return AllGone(family); }));
  EXPECT_FALSE(IsThere());
  EXPECT_THAT(directory_.Entries(), IsEmpty());
}
// ---- Orderly ends ----

class EndTest : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(, EndTest, testing::Values(SIGTERM, SIGINT),
                         [](const testing::TestParamInfo<int>& info) {
                           return info.param == SIGTERM ? "SigTerm" : "SigInt";
                         });

TEST_P(EndTest, ExitsZeroWithoutSessions) {
  ServiceProcess service(kExampleWorker);
  service.Signal(GetParam());
  EXPECT_EQ(service.Wait(), 0);
}

TEST_P(EndTest, ExitsZeroWithSessionsOpen) {
  ServiceProcess service(kExampleWorker);
  TestSession session(service, kUri, "+-");
  TestSession fork = session.Fork();
  EXPECT_TRUE(session.Step({0}).ok());
  const std::vector<pid_t> family = FamilyOf(service.pid());
  service.Signal(GetParam());
  EXPECT_EQ(service.Wait(), 0);
  EXPECT_TRUE(AllGone(family));
}

TEST_P(EndTest, ExitsZeroWhenSignalledTwiceInARow) {
  ServiceProcess service(kExampleWorker);
  TestSession session(service, kUri, "+-");
  service.Signal(GetParam());
  service.Signal(GetParam());
  EXPECT_EQ(service.Wait(), 0);
}

TEST_P(EndTest, ExitsZeroWhenSignalledDuringItsStart) {
  const TemporaryDirectory directory;
  RunningProgram service({RunfilePath(kExampleWorker), "--working_dir=" + directory.path()});
  // The spawner is the first thing that it starts.
  ASSERT_TRUE(WaitUntil([&] { return !ChildrenOf(service.pid()).empty(); }));
  service.Signal(GetParam());
  EXPECT_EQ(service.Wait(), 0) << service.err();
  EXPECT_THAT(directory.Entries(kScratchPrefix), IsEmpty());
  EXPECT_FALSE(fs::exists(directory / "port.txt"));
}

TEST(DrainTest, ExitsZeroWhileNoWorkerHasStartedAndCallsWait) {
  ServiceProcess service(kMisbehavingWorker,
                         {"--worker_flags=--start_mode=hang", "--drain_timeout=100ms"});
  grpc::Status status;
  std::thread caller([&] { status = GetSpaces(service.NewClient().get()); });
  EXPECT_TRUE(WaitUntil([&] { return !service.workers().empty(); }));
  EXPECT_EQ(service.Terminate(), 0);
  caller.join();
  EXPECT_FALSE(status.ok());
}

// A step that runs: its worker has a grandchild by then.
class StepUnderWay {
 public:
  StepUnderWay(const ServiceProcess& service, const std::vector<std::string>& rest)
      : session_(service, kUri, "ok") {
    grpc::ClientContext context;
    compiler_gym::GetSpacesReply spaces;
    EXPECT_TRUE(session_.stub().GetSpaces(&context, {}, &spaces).ok());
    const auto& names = spaces.action_space_list(0).space().named_discrete().name();
    std::vector<int64_t> actions;
    std::vector<std::string> all = {"fork_grandchild"};
    all.insert(all.end(), rest.begin(), rest.end());
    for (const std::string& name : all) {
      actions.push_back(std::find(names.begin(), names.end(), name) - names.begin());
    }
    std::string pid_text;
    int worker = 0;
    EXPECT_TRUE(session_.SendParameter("get_pid", "", &pid_text).ok());
    EXPECT_TRUE(absl::SimpleAtoi(pid_text, &worker));
    thread_ = std::thread([this, actions] {
      status_ = session_.Step(actions, {}, nullptr, kLong);
      is_over_ = true;
    });
    EXPECT_TRUE(WaitUntil([&] { return !ChildrenOf(worker).empty(); }));
  }
  ~StepUnderWay() {
    if (thread_.joinable()) thread_.join();
  }
  grpc::Status Wait() {
    thread_.join();
    return status_;
  }
  bool is_over() const { return is_over_; }

 private:
  TestSession session_;
  std::thread thread_;
  std::atomic<bool> is_over_{false};
  grpc::Status status_;
};

TEST(DrainTest, WaitsForAStepThatEndsInTime) {
  ServiceProcess service(kMisbehavingWorker, {"--drain_timeout=60s"});
  StepUnderWay step(service, {"slow_100ms", "slow_100ms", "slow_100ms"});
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
  const grpc::Status status = step.Wait();
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST(DrainTest, AbortsAStepThatDoesNotEndInTime) {
  ServiceProcess service(kMisbehavingWorker, {"--drain_timeout=300ms"});
  StepUnderWay step(service, {"hang"});
  const absl::Time start = absl::Now();
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(300));
  const grpc::Status status = step.Wait();
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED) << status.error_message();
}

TEST(DrainTest, RefusesNewCallsWithUnavailableAndASecondSignalEndsItAtOnce) {
  ServiceProcess service(kMisbehavingWorker, {"--drain_timeout=10m"});
  StepUnderWay step(service, {"hang"});
  const auto client = service.NewClient();
  EXPECT_TRUE(GetSpaces(client.get()).ok());
  service.Signal(SIGTERM);
  grpc::Status refused;
  EXPECT_TRUE(WaitUntil([&] {
    refused = GetSpaces(client.get());
    return !refused.ok();
  }));
  EXPECT_EQ(refused.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.error_message(), HasSubstr("shutting down"));
  int64_t id = 0;
  EXPECT_EQ(StartSession(client.get(), kUri, 0, &id).error_code(), StatusCode::UNAVAILABLE);
  const grpc::Status late = GetSpaces(service.NewClient().get());  // By a new connection.
  EXPECT_EQ(late.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(late.error_message(), HasSubstr("shutting down"));
  EXPECT_FALSE(step.is_over());
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
  EXPECT_EQ(step.Wait().error_code(), StatusCode::ABORTED);
}

// ---- Directories of its own ----

class FreshDirectoryTest : public testing::Test {
 protected:
  FreshDirectoryTest() {
    EXPECT_TRUE(GetSpaces(ConnectTo(service_.address()).get()).ok());
    const std::vector<std::string> entries = temporary_.Entries();
    EXPECT_EQ(entries.size(), 1u);
    if (entries.empty()) return;
    EXPECT_THAT(entries[0], HasSubstr("holdfast-"));
    EXPECT_EQ(ModeOf(temporary_ / entries[0]), 0700u);
    EXPECT_THAT(service_.out(), HasSubstr(temporary_ / entries[0]));
  }

  const TemporaryDirectory temporary_;
  AnnouncedService service_{{RunfilePath(kExampleWorker)}, {"", {"TMPDIR=" + temporary_.path()}}};
};

TEST_F(FreshDirectoryTest, IsRemovedAtTheExit) {
  service_.Signal(SIGTERM);
  EXPECT_EQ(service_.Wait(), 0);
  EXPECT_THAT(temporary_.Entries(), IsEmpty());
}

TEST_F(FreshDirectoryTest, IsRemovedWhenTheFrontWasKilled) {
  const std::vector<pid_t> family = FamilyOf(service_.pid());
  EXPECT_GE(family.size(), 3u);  // A spawner and a worker at least.
  service_.Signal(SIGKILL);
  EXPECT_EQ(service_.Wait(), -SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return AllGone(family); }));
  EXPECT_THAT(temporary_.Entries(), IsEmpty());
}

TEST_F(FreshDirectoryTest, IsRemovedWhenFirstTheSpawnerAndThenTheFrontWereKilled) {
  const std::vector<pid_t> old_family = FamilyOf(ChildrenOf(service_.pid()).front());
  kill(old_family.front(), SIGKILL);
  // The next spawner inherits the duty.
  EXPECT_TRUE(WaitUntil([&] {
    const std::vector<pid_t> spawners = ChildrenOf(service_.pid());
    return AllGone(old_family) && spawners.size() == 1 && !ChildrenOf(spawners.front()).empty();
  }));
  const std::vector<pid_t> family = FamilyOf(service_.pid());
  service_.Signal(SIGKILL);
  service_.Wait();
  EXPECT_TRUE(WaitUntil([&] { return AllGone(family); }));
  EXPECT_THAT(temporary_.Entries(), IsEmpty());
}

TEST(KillTest, FrontThatIsKilledLeavesNothingBehindAlsoInMidStep) {
  ServiceProcess service(kMisbehavingWorker);
  StepUnderWay step(service, {"fork_holding_pipes", "hang"});
  TestSession idle(service, kUri, "ok");
  const std::vector<pid_t> family = FamilyOf(service.pid());
  EXPECT_GE(family.size(), 6u);  // Front, spawner, two workers, two grandchildren.
  service.Signal(SIGKILL);
  EXPECT_EQ(service.Wait(), -SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return AllGone(family); }));
  EXPECT_FALSE(step.Wait().ok());
  for (const auto& entry : fs::directory_iterator(service.directory())) {
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr(kScratchPrefix)));
  }
}

// ---- Ends of parts ----

TEST(SpawnerTest, ServiceSurvivesTheEndOfItsSpawner) {
  ServiceProcess service(kExampleWorker);
  TestSession session(service, kUri, "+.-<>");
  ASSERT_TRUE(session.Step({2}).ok());
  const std::vector<pid_t> family = FamilyOf(service.spawner());
  kill(family.front(), SIGKILL);
  compiler_gym::StepReply reply;
  const grpc::Status status = session.Step({0}, {0}, &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.observation(0).string_value(), "<>");
  EXPECT_TRUE(WaitUntil([&] { return AllGone(family); }));
  TestSession another(service, kUri, "T");
  EXPECT_EQ(another.Observe(0).string_value(), "T");
  EXPECT_EQ(service.Terminate(), 0);
}

class ReplacedBinaryTest : public testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(, ReplacedBinaryTest, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& info) {
                           return info.param ? "WorkerAlone" : "HoldfastWithWorker";
                         });

TEST_P(ReplacedBinaryTest, SessionsGoOnOnTheBinaryThatWasStarted) {
  const TemporaryDirectory directory;
  const std::string copy = directory / "copy";
  fs::copy_file(RunfilePath(kExampleWorker), copy);
  std::vector<std::string> arguments = {copy};
  if (!GetParam()) arguments = {RunfilePath(kHoldfast), "--worker=" + copy};
  AnnouncedService service(arguments, {"", {"TMPDIR=" + directory.path()}});
  const auto client = ConnectTo(service.address());
  ASSERT_TRUE(AddBenchmark(client.get(), kUri, "+.-").ok());
  int64_t id = 0;
  ASSERT_TRUE(StartSession(client.get(), kUri, 0, &id).ok());
  const auto observe = [&](int64_t session, const std::vector<int64_t>& actions) {
    compiler_gym::StepRequest request;
    request.set_session_id(session);
    for (const int64_t action : actions) request.add_action()->set_int64_value(action);
    request.add_observation_space(0);
    compiler_gym::StepReply reply;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kLong));
    const grpc::Status status = client->Step(&context, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply.observation_size() == 0 ? "" : reply.observation(0).string_value();
  };
  EXPECT_EQ(observe(id, {2}), "+-");

  fs::remove(copy);
  std::ofstream(copy) << "something else";
  const pid_t spawner = ChildrenOf(service.pid()).front();
  const std::vector<pid_t> workers = ChildrenOf(spawner);
  for (const pid_t worker : workers) kill(worker, SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return AllGone(workers); }));
  EXPECT_EQ(observe(id, {}), "+-");
  // A new spawner, too, is the old program.
  kill(spawner, SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(spawner); }));
  EXPECT_EQ(observe(id, {}), "+-");
  int64_t other = 0;
  ASSERT_TRUE(StartSession(client.get(), kUri, 0, &other).ok());
  EXPECT_EQ(observe(other, {}), "+.-");
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
}

TEST(StoppedWorkerTest, StepTimesOutAndTheNextWorks) {
  // Without warm workers the one there is belongs to the session.
  ServiceProcess service(kMisbehavingWorker, {"--warm_workers=0", "--step_timeout=2s"});
  TestSession session(service, kUri, "ok", /*action_space=*/1);
  ASSERT_TRUE(session.Step({5}).ok());
  const std::vector<pid_t> workers = service.workers();
  ASSERT_EQ(workers.size(), 1u);
  kill(workers[0], SIGSTOP);
  const grpc::Status status = session.Step({7});
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED) << status.error_message();
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(workers[0]); }));
  // It was not the step's fault: the same is not refused, nor reported.
  compiler_gym::StepReply reply;
  const grpc::Status next = session.Step({7}, {0}, &reply);
  EXPECT_TRUE(next.ok()) << next.error_message();
  EXPECT_EQ(reply.observation(0).int64_value(), 12);
  EXPECT_EQ(service.Metric("holdfast_crash_report_files"), 0);
}

TEST(StoppedWorkerTest, IdleOneIsReplacedBeforeASessionGetsIt) {
  ServiceProcess service(kExampleWorker, {"--warm_workers=2", "--step_timeout=1h"});
  const auto client = service.NewClient();
  ASSERT_TRUE(GetSpaces(client.get()).ok());
  ASSERT_TRUE(WaitUntil([&] { return service.Metric("holdfast_workers{state=\"idle\"}") == 2; }));
  const std::vector<pid_t> stopped = service.workers();
  ASSERT_EQ(stopped.size(), 2u);
  for (const pid_t worker : stopped) {
    kill(worker, SIGSTOP);
    ASSERT_TRUE(WaitUntil([&] { return IsStopped(worker); }));
  }
  TestSession session(service, kUri, "+");
  EXPECT_TRUE(session.Step({0}).ok());
  EXPECT_TRUE(WaitUntil([&] { return AllGone(stopped); }));
  EXPECT_EQ(service.Metric("holdfast_ready"), 1);
}

TEST(StoppedSpawnerTest, CleansUpAfterAFrontThatIsKilled) {
  ServiceProcess service(kExampleWorker);
  TestSession session(service, kUri, "+");
  const pid_t spawner = service.spawner();
  const std::vector<pid_t> workers = service.workers();
  ASSERT_FALSE(workers.empty());
  kill(spawner, SIGSTOP);
  ASSERT_TRUE(WaitUntil([&] { return IsStopped(spawner); }));
  service.Signal(SIGKILL);
  EXPECT_EQ(service.Wait(), -SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(spawner) && AllGone(workers); }));
}

TEST(StoppedWorkerTest, ServiceEndsInTime) {
  ServiceProcess service(kExampleWorker);
  TestSession session(service, kUri, "+");
  for (const pid_t worker : service.workers()) kill(worker, SIGSTOP);
  EXPECT_EQ(service.Terminate(), 0);
}

}  // namespace
}  // namespace holdfast
