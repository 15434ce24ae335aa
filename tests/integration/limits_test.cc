// Workers that use more than they may: of memory, CPU time, files and processes. Each with the
// kernel's means, where there are any, and with the service's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/misbehaving_service.h"

namespace holdfast {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

constexpr int64_t kMemoryLimit = 256 << 20;

// The mechanism in force: the label of the metric.
std::string MechanismOf(const ServiceProcess& service, const std::string& limit) {
  for (const char* mechanism : {"cgroup_v1", "cgroup_v2", "watchdog", "rlimit", "none"}) {
    if (service.Metric(absl::StrCat("holdfast_limit_mechanism{limit=\"", limit, "\",mechanism=\"",
                                    mechanism, "\"}")) == 1) {
      return mechanism;
    }
  }
  return "";
}

// The parameter: whether cgroups may be used.
class LimitsTest : public testing::TestWithParam<bool> {
 protected:
  std::vector<std::string> Flags(std::vector<std::string> flags) const {
    flags.push_back(absl::StrCat("--worker_cgroups=", GetParam() ? "true" : "false"));
    return flags;
  }

  // The step is answered so, names the limit, and costs neither the session nor another.
  void ExpectExcess(MisbehavingService* service, const std::string& action,
                    WorkerFailure::Cause cause, const std::string& flag, double limit,
                    bool is_measured = true) {
    TestSession other = service->NewSession();
    TestSession session = service->NewSession();
    ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
    // On a worker in which nobody else can have left anything: the step itself is to blame.
    kill(WorkerOf(&session), SIGKILL);
    ASSERT_TRUE(
        WaitUntil([&] { return service->Metric("holdfast_sessions{state=\"parked\"}") == 1; }));
    const grpc::Status status = StepBy(&session, {"add_one", action, "add_one"});
    EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(flag));
    EXPECT_THAT(status.error_message(), HasSubstr(action));
    const absl::optional<WorkerFailure> failure = FailureOf(status);
    ASSERT_TRUE(failure.has_value());
    EXPECT_EQ(failure->cause(), cause);
    EXPECT_EQ(failure->attempts(), 1) << "it was tried again";
    EXPECT_EQ(failure->limit_flag(), flag);
    EXPECT_EQ(failure->limit(), limit);
    EXPECT_GE(failure->measured(), is_measured ? limit : 0);
    EXPECT_TRUE(failure->session_restored());
    EXPECT_EQ(failure->activity(), WorkerFailure::ACTION);
    EXPECT_EQ(failure->activity_index(), 1);
    ExpectState(&session, "add_one = 1");
    // The same again is refused at once.
    EXPECT_THAT(StepBy(&session, {"add_one", action, "add_one"}).error_message(),
                HasSubstr("refused"));
    EXPECT_EQ(service->Metric("holdfast_refused_steps_total"), 1);
    EXPECT_TRUE(StepBy(&other, {"add_one"}).ok());
  }
};

INSTANTIATE_TEST_SUITE_P(Mechanisms, LimitsTest, testing::Bool(), [](const auto& info) {
  return info.param ? "WithCgroups" : "WithoutCgroups";
});

TEST_P(LimitsTest, Memory) {
  MisbehavingService service(Flags({absl::StrCat("--worker_memory_limit_bytes=", kMemoryLimit)}));
  ExpectExcess(&service, "eat_memory", WorkerFailure::MEMORY_LIMIT, "--worker_memory_limit_bytes",
               kMemoryLimit);
  EXPECT_EQ(service.Metric("holdfast_worker_failures_total{cause=\"memory_limit\"}"), 1);
}

TEST_P(LimitsTest, FileSize) {
  MisbehavingService service(Flags({"--worker_file_limit_bytes=8388608"}));
  ExpectExcess(&service, "write_for_ever", WorkerFailure::FILE_LIMIT, "--worker_file_limit_bytes",
               8388608, /*is_measured=*/false);
  EXPECT_EQ(MechanismOf(service, "file_size"), "rlimit");
}

TEST_P(LimitsTest, CpuTimeOfAStep) {
  MisbehavingService service(Flags({"--step_cpu_limit=500ms"}));
  ExpectExcess(&service, "burn_cpu", WorkerFailure::CPU_LIMIT, "--step_cpu_limit", 0.5);
}

TEST_P(LimitsTest, Processes) {
  MisbehavingService service(Flags({"--worker_process_limit=100"}));
  ExpectExcess(&service, "fork_bomb", WorkerFailure::PROCESS_LIMIT, "--worker_process_limit", 100);
}

TEST_P(LimitsTest, DaemonsDieWithTheirWorker) {
  if (!GetParam()) GTEST_SKIP() << "only a cgroup counts what has left the worker's group";
  MisbehavingService service(Flags({"--worker_process_limit=100"}));
  if (MechanismOf(service, "processes") == "watchdog") GTEST_SKIP() << "no cgroups here";
  ExpectExcess(&service, "fork_bomb_of_daemons", WorkerFailure::PROCESS_LIMIT,
               "--worker_process_limit", 100);
  // The service's end, which the destructor awaits, fails the test if one is left.
}

TEST_P(LimitsTest, TellsItsMechanisms) {
  MisbehavingService service(Flags({"--step_cpu_limit=1s"}));
  const std::string memory = MechanismOf(service, "memory");
  if (GetParam()) {
    EXPECT_TRUE(absl::StartsWith(memory, "cgroup") || memory == "watchdog") << memory;
  } else {
    EXPECT_EQ(memory, "watchdog");
    EXPECT_EQ(MechanismOf(service, "processes"), "watchdog");
  }
  EXPECT_EQ(MechanismOf(service, "cpu"), "watchdog");
  EXPECT_THAT(ReadText(service.directory() + "/logs/holdfast.log"),
              HasSubstr(absl::StrCat("memory=", memory)));
}

// Short calls, none of which is looked at, add up.
TEST_P(LimitsTest, GrowthBetweenCallsIsFound) {
  MisbehavingService service(Flags({"--worker_memory_limit_bytes=805306368"}));
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"eat_memory"}).ok());
  grpc::Status status;
  // The step that exceeds the limit may end before anybody looks; the session is then told later.
  ASSERT_TRUE(WaitUntil([&] {
    status = StepBy(&session, {"eat_memory"});
    return !status.ok();
  }));
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("--worker_memory_limit_bytes"));
}

TEST(IdleTest, ForgottenSessionIsEndedAndABusyOneIsNot) {
  MisbehavingService service({"--session_idle_timeout=2s"});
  TestSession forgotten = service.NewSession();
  const Marker marker = service.NewMarker();
  TestSession busy = service.NewSession(marker);
  const pid_t worker = WorkerOf(&forgotten);
  auto step = StepLater(&busy, {"wait"});
  ASSERT_TRUE(marker.AwaitWaiting());
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(worker); }));
  EXPECT_TRUE(WaitUntil([&] { return service.Metric("holdfast_sessions_expired_total") == 1; }));
  const grpc::Status status = StepBy(&forgotten, {"noop"});
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_THAT(ReadText(service.directory() + "/logs/holdfast.log"),
              HasSubstr("--session_idle_timeout"));
  marker.Go();
  EXPECT_TRUE(step.get().ok());
  EXPECT_EQ(StateOf(&busy), "wait = 1");
}

TEST(IdleTest, ZeroIsNever) {
  MisbehavingService service({"--session_idle_timeout=0"});
  TestSession session = service.NewSession();
  EXPECT_TRUE(StepBy(&session, {"noop"}).ok());
  EXPECT_EQ(service.Metric("holdfast_sessions_expired_total"), 0);
}

}  // namespace
}  // namespace holdfast
