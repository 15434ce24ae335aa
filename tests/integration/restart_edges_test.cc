// The edges of starting workers, over and over: what cannot start, what dies as soon as it has, and
// what takes the means of starting away. In all cases there is no storm of starts, the service says
// why calls fail and that it is not ready, and it recovers by itself when the cause goes. The usual
// ways in which a start fails: failure_limits_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "common/unique_fd.h"
#include "tests/integration/misbehaving_service.h"
#include "tests/integration/running_program.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using grpc::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kHoldfast[] = "frontend/holdfast";
constexpr char kExampleWorker[] = "worker/example/example_worker";
constexpr char kMisbehavingWorker[] = "tests/testcases/misbehaving_worker";
constexpr char kUri[] = "benchmark://test/program";
// Back-off: five failures make the service not ready, and then one start every five seconds tries.
constexpr int kStorm = 15;
constexpr absl::Duration kLong = absl::Minutes(1);

double Starts(const ServiceProcess& service) {
  return service.Metric("holdfast_worker_starts_total").value_or(-1);
}
bool IsReady(const ServiceProcess& service) { return service.Metric("holdfast_ready") == 1; }

// ---- Workers that cannot run ----

// What --worker names, made in a directory of the test.
struct BadWorker {
  const char* name;
  void (*make)(const std::string& path);
  const char* reason;
};

void WriteScript(const std::string& path, const std::string& text) {
  WriteText(path, text);
  chmod(path.c_str(), 0700);
}

// A real worker that needs a library that does not exist: the dynamic linker refuses it.
void CopyWithoutLibrary(const std::string& path) {
  const std::string worker = ReadText(RunfilePath(kExampleWorker));
  const std::string broken =
      absl::StrReplaceAll(worker, {{"libprometheus-cpp-core.so", "libmissing-for-a-test.so1"}});
  EXPECT_NE(broken, worker) << "the worker does not need that library any more";
  EXPECT_EQ(broken.size(), worker.size());
  WriteScript(path, broken);
}

class BadWorkerTest : public testing::TestWithParam<BadWorker> {};

TEST_P(BadWorkerTest, CallsFailWithItsReasonWithoutAStorm) {
  const TemporaryDirectory directory;
  const std::string worker = directory / "worker";
  GetParam().make(worker);
  ServiceProcess service(kHoldfast, {"--worker=" + worker, "--warm_workers=4"});
  const auto client = service.NewClient();
  for (int i = 0; i < 3; ++i) {
    const grpc::Status status = GetSpaces(client.get());
    EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
    EXPECT_THAT(status.error_message(),
                AllOf(StartsWith("workers cannot be started"), HasSubstr(GetParam().reason)));
  }
  EXPECT_FALSE(IsReady(service));
  EXPECT_LE(Starts(service), kStorm) << "a storm of starts";
  EXPECT_EQ(service.Terminate(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Workers, BadWorkerTest,
    testing::Values(
        BadWorker{"LacksALibrary", CopyWithoutLibrary, "libmissing-for-a-test.so1"},
        BadWorker{"LacksItsInterpreter",
                  [](const std::string& path) { WriteScript(path, "#!/no/such/interpreter\n"); },
                  "No such file or directory"},
        BadWorker{"SaysNothingAndExits0",
                  [](const std::string& path) { WriteScript(path, "#!/bin/sh\nexit 0\n"); },
                  "exited with code 0"},
        BadWorker{"IsNoWorker",
                  [](const std::string& path) {
                    WriteScript(path, "#!/bin/sh\necho I am something else >&2\nexit 3\n");
                  },
                  "I am something else"}),
    [](const auto& info) { return std::string(info.param.name); });

// ---- Workers that exit politely, until they do not ----

TEST(RestartEdgesTest, StartsThatExitZeroAreFailuresUntilTheyStop) {
  const TemporaryDirectory directory;
  const std::string starts = directory / "starts";
  WriteText(starts, "");
  MisbehavingService service({absl::StrCat(
      "--worker_flags=--start_mode=exit_0,--start_marker=", starts, ",--start_failures=1000")});
  EXPECT_THAT(GetSpaces(service.NewClient().get()).error_message(),
              AllOf(StartsWith("workers cannot be started"), HasSubstr("exited with code 0")));
  EXPECT_FALSE(IsReady(service));
  EXPECT_LE(ReadText(starts).size(), static_cast<size_t>(kStorm)) << "a storm of starts";
  WriteText(starts, std::string(1000, '.'));
  EXPECT_TRUE(WaitUntil([&] { return service.TryStart("ok").ok(); }, kLong));
  EXPECT_TRUE(IsReady(service));
}

TEST(RestartEdgesTest, StartThatHangsOnceIsKilledAndTheNextServes) {
  const TemporaryDirectory directory;
  MisbehavingService service(
      {"--worker_start_timeout=1s", absl::StrCat("--worker_flags=--start_mode=hang,--start_marker=",
                                                 directory / "starts", ",--start_failures=1")});
  // One failure is no reason to be not ready: the call waits, and gets its answer.
  const grpc::Status status = GetSpaces(service.NewClient().get());
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(IsReady(service));
  EXPECT_EQ(
      service.Metric("holdfast_worker_exits_total{state=\"starting\",cause=\"start_timeout\"}"), 1);
}

// ---- Idle workers that die, over and over ----

// Kills each worker but `spared` as soon as it is idle, until `over`.
template <typename Condition>
bool KillIdleWorkersUntil(const ServiceProcess& service, pid_t spared, const Condition& over) {
  return WaitUntil(
      [&] {
        if (service.Metric("holdfast_workers{state=\"idle\"}").value_or(0) >= 1) {
          for (const pid_t worker : service.workers()) {
            if (worker != spared) kill(worker, SIGKILL);
          }
        }
        return over();
      },
      kLong);
}

TEST(RestartEdgesTest, CrashLoopOfIdleWorkersEscalatesWithoutAStormAndEndsByItself) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const pid_t worker = WorkerOf(&session);
  ASSERT_TRUE(WaitUntil([&] { return IsReady(service); }));
  EXPECT_TRUE(KillIdleWorkersUntil(service, worker, [&] { return !IsReady(service); }));
  // And on: one more that tries, which dies as well.
  const double starts = Starts(service);
  EXPECT_LE(starts, kStorm) << "a storm of starts";
  EXPECT_TRUE(KillIdleWorkersUntil(service, worker, [&] { return Starts(service) > starts; }));
  EXPECT_FALSE(IsReady(service));
  // Who has a worker notices nothing.
  EXPECT_TRUE(StepBy(&session, {"add_one"}).ok());
  EXPECT_EQ(WorkerOf(&session), worker);
  // Nobody calls: the next worker that stays up makes it ready again.
  EXPECT_TRUE(WaitUntil([&] { return IsReady(service); }, kLong));
  EXPECT_TRUE(service.TryStart("ok").ok());
}

// ---- The binary goes while the service runs ----

TEST(RestartEdgesTest, WorkersAreStartedFromABinaryThatHasBeenDeletedWithItsDirectory) {
  auto directory = std::make_unique<TemporaryDirectory>();
  const std::string worker = *directory / "worker";
  fs::copy_file(RunfilePath(kMisbehavingWorker), worker);
  ServiceProcess service(kHoldfast, {"--worker=" + worker, "--warm_workers=1"});
  TestSession session(service, kUri, "ok");
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  directory.reset();
  ASSERT_FALSE(fs::exists(worker));
  ExpectState(&session, "add_one = 1");
  const std::vector<pid_t> workers = service.workers();
  for (const pid_t pid : workers) kill(pid, SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return AllGone(workers); }));
  ExpectState(&session, "add_one = 1");
  TestSession next(service, kUri, "ok");
  EXPECT_TRUE(StepBy(&next, {"add_one"}).ok());
  EXPECT_TRUE(IsReady(service));
}

TEST(RestartEdgesTest, WorkersAreStartedFromTheOldBinaryAfterAnotherWasMovedInItsPlace) {
  const TemporaryDirectory directory;
  const std::string worker = directory / "worker";
  fs::copy_file(RunfilePath(kMisbehavingWorker), worker);
  ServiceProcess service(kHoldfast, {"--worker=" + worker, "--warm_workers=1"});
  TestSession session(service, kUri, "ok");
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  // As an installation does it. The other is a worker, too, of another session type.
  fs::copy_file(RunfilePath(kExampleWorker), directory / "new");
  fs::rename(directory / "new", worker);
  ExpectState(&session, "add_one = 1");
  TestSession next(service, kUri, "ok");
  EXPECT_TRUE(StepBy(&next, {"add_one"}).ok());
}

// ---- No descriptors left in the front ----

// Allows a process at most `spare` descriptors beyond those it has, as long as this lives.
class DescriptorShortage {
 public:
  explicit DescriptorShortage(pid_t pid, rlim_t spare = 0) : pid_(pid) {
    EXPECT_EQ(prlimit(pid_, RLIMIT_NOFILE, nullptr, &before_), 0);
    // The limit is one on numbers: the first that is free is the first that is forbidden.
    rlim_t first_free = 0;
    while (fs::exists(fs::symlink_status(absl::StrCat("/proc/", pid_, "/fd/", first_free)))) {
      ++first_free;
    }
    const rlimit limit{first_free + spare, before_.rlim_max};
    EXPECT_EQ(prlimit(pid_, RLIMIT_NOFILE, &limit, nullptr), 0);
  }
  ~DescriptorShortage() { EXPECT_EQ(prlimit(pid_, RLIMIT_NOFILE, &before_, nullptr), 0); }
  DescriptorShortage(const DescriptorShortage&) = delete;
  DescriptorShortage& operator=(const DescriptorShortage&) = delete;

 private:
  const pid_t pid_;
  rlimit before_ = {};
};

class DescriptorShortageTest : public testing::Test {
 protected:
  DescriptorShortageTest() : session_(service_.NewSession()), client_(service_.NewClient()) {
    EXPECT_TRUE(StepBy(&session_, {"add_one"}).ok());
    EXPECT_TRUE(AddBenchmark(client_.get(), kUri, "ok").ok());
    // The idle worker needs no descriptor any more: it would be a success.
    EXPECT_TRUE(WaitUntil(
        [&] { return service_.Metric("holdfast_workers{state=\"idle\"}").value_or(0) == 1; }));
  }

  MisbehavingService service_;
  TestSession session_;
  std::unique_ptr<compiler_gym::CompilerGymService::Stub> client_;
};

TEST_F(DescriptorShortageTest, StartsFailWithTheReasonAndTheServiceRecoversByItself) {
  {
    const DescriptorShortage shortage(service_.pid());
    int64_t id = 0;
    EXPECT_TRUE(StartSession(client_.get(), kUri, 0, &id).ok()) << "by the idle worker";
    const grpc::Status status = StartSession(client_.get(), kUri, 0, &id, kLong);
    EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
    EXPECT_THAT(status.error_message(),
                AllOf(StartsWith("workers cannot be started"), HasSubstr("Too many open files")));
    EXPECT_TRUE(StepBy(&session_, {"add_one"}).ok()) << "a session that has its worker";
  }
  int64_t id = 0;
  EXPECT_TRUE(WaitUntil([&] { return StartSession(client_.get(), kUri, 0, &id).ok(); }, kLong));
  EXPECT_TRUE(WaitUntil([&] { return IsReady(service_); }));
  ExpectState(&session_, "add_one,add_one = 2");
  EXPECT_EQ(service_.Terminate(), 0);
}

TEST_F(DescriptorShortageTest, SessionWhoseWorkerDiesMeanwhileIsRestoredAfterwards) {
  {
    const pid_t worker = WorkerOf(&session_);
    const DescriptorShortage shortage(service_.pid());
    for (const pid_t pid : service_.workers()) kill(pid, SIGKILL);
    ASSERT_TRUE(WaitUntil([&] { return !IsAlive(worker); }));
    // Its worker's descriptors may be enough for the next one: both answers are right.
    const grpc::Status status = StepBy(&session_, {"noop"}, {}, nullptr, kLong);
    if (!status.ok()) {
      EXPECT_THAT(status.error_message(), HasSubstr("Too many open files"));
    }
  }
  EXPECT_TRUE(WaitUntil([&] { return StepBy(&session_, {"noop"}).ok(); }, kLong));
  EXPECT_EQ(session_.Observe(ObservationIndex(&session_, "counter")).int64_value(), 1);
}

// A TCP connection to the service, on which nothing is said.
UniqueFd ConnectSilently(const ServiceProcess& service) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(service.ReadFile("port.txt"), &port));
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

// gRPC speaks first on a connection.
bool IsAccepted(const UniqueFd& connection) {
  char byte = 0;
  return recv(connection.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

TEST_F(DescriptorShortageTest, ConnectionsAreAcceptedAgainAfterwards) {
  constexpr int kSpare = 16;
  const DescriptorShortage shortage(service_.pid(), kSpare);
  std::vector<UniqueFd> connections;
  for (int i = 0; i < 2 * kSpare; ++i) connections.push_back(ConnectSilently(service_));
  EXPECT_TRUE(WaitUntil([&] {
    return absl::StrContains(service_.ReadFile("logs/holdfast.log"), "cannot accept connections");
  }));
  // The service may have closed some descriptors of its own meanwhile, but not so many.
  EXPECT_FALSE(IsAccepted(connections.back()));
  EXPECT_TRUE(StepBy(&session_, {"add_one"}).ok()) << "who is connected notices nothing";
  // Who comes now waits, among others. There never are more descriptors than now.
  auto late = std::async(std::launch::async, [&] { return GetSpaces(service_.NewClient().get()); });
  const UniqueFd last = std::move(connections.back());
  connections.clear();
  EXPECT_TRUE(WaitUntil([&] { return IsAccepted(last); })) << "it waited and was cut";
  const grpc::Status waited = late.get();
  EXPECT_TRUE(waited.ok()) << waited.error_message();
  const grpc::Status status = GetSpaces(service_.NewClient().get());
  EXPECT_TRUE(status.ok()) << status.error_message();
  ExpectState(&session_, "add_one,add_one = 2");
}

// ---- The spawner goes ----

TEST(RestartEdgesTest, SpawnerKilledAmongBusyAndIdleSessionsCostsNoneOfThem) {
  constexpr int kSessions = 6;  // Half of them in mid-step.
  MisbehavingService service({"--warm_workers=2"});
  std::vector<std::unique_ptr<TestSession>> sessions;
  std::vector<Marker> markers;
  std::vector<std::future<grpc::Status>> steps;
  for (int i = 0; i < kSessions; ++i) {
    markers.push_back(service.NewMarker());
    sessions.push_back(std::make_unique<TestSession>(service.NewSession(markers.back())));
    ASSERT_TRUE(StepBy(sessions.back().get(), {"add_one"}).ok());
  }
  for (int i = 0; i < kSessions; i += 2) {
    steps.push_back(StepLater(sessions[i].get(), {"add_one", "wait"}));
    ASSERT_TRUE(markers[i].AwaitWaiting());
  }
  const std::vector<pid_t> family = FamilyOf(service.spawner());
  ASSERT_GE(family.size(), 1u + kSessions);
  kill(family.front(), SIGKILL);
  for (int i = 0; i < kSessions; i += 2) {
    EXPECT_TRUE(markers[i].AwaitWaiting(2)) << "no retry";
    markers[i].Go();
  }
  for (auto& step : steps) {
    const grpc::Status status = step.get();
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  EXPECT_TRUE(WaitUntil([&] { return AllGone(family); })) << "it leaves workers behind";
  for (int i = 0; i < kSessions; ++i) {
    ExpectState(sessions[i].get(), i % 2 == 0 ? "add_one,add_one,wait = 3" : "add_one = 1");
  }
  EXPECT_TRUE(IsReady(service));
  EXPECT_EQ(service.Terminate(), 0);
}

TEST(RestartEdgesTest, SpawnerStoppedAmongSessionsIsReplacedAndCostsNoneOfThem) {
  MisbehavingService service({"--warm_workers=1"});
  const Marker marker = service.NewMarker();
  TestSession busy = service.NewSession(marker);
  TestSession idle = service.NewSession();
  ASSERT_TRUE(StepBy(&idle, {"add_one"}).ok());
  auto step = StepLater(&busy, {"wait"}, absl::Minutes(3));
  ASSERT_TRUE(marker.AwaitWaiting());
  const pid_t spawner = service.spawner();
  ASSERT_GT(spawner, 1);
  kill(spawner, SIGSTOP);
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(spawner); }, kLong)) << "it is not missed";
  marker.Go();
  const grpc::Status status = step.get();
  EXPECT_TRUE(status.ok()) << status.error_message();
  ExpectState(&busy, "wait = 1");
  ExpectState(&idle, "add_one = 1");
  EXPECT_TRUE(service.TryStart("ok").ok());
  EXPECT_TRUE(IsReady(service));
  EXPECT_EQ(service.Terminate(), 0);
}

}  // namespace
}  // namespace holdfast
