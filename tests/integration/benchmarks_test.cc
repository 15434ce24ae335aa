// Benchmarks that the session type brings, and files that a session leaves for its client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <future>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/integration/misbehaving_service.h"

namespace holdfast {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

constexpr char kDataset[] = "benchmark://misbehaving-v0/";

// Without adding anything before.
grpc::Status StartBrought(const MisbehavingService& service, const std::string& name,
                          int64_t* id = nullptr, absl::Duration deadline = absl::Seconds(60)) {
  const auto client = service.NewClient();
  int64_t ignored = 0;
  return StartSession(client.get(), absl::StrCat(kDataset, name), 0, id == nullptr ? &ignored : id,
                      deadline);
}

TEST(BroughtBenchmarksTest, StartWithoutBeingSent) {
  MisbehavingService service;
  int64_t id = 0;
  const grpc::Status status = StartBrought(service, "ok", &id);
  ASSERT_TRUE(status.ok()) << status.error_message();
  TestSession session(service, id);
  EXPECT_TRUE(StepBy(&session, {"add_one"}).ok());
  ExpectState(&session, "add_one = 1");
  // The second time it is in the cache.
  EXPECT_TRUE(StartBrought(service, "ok").ok());
  EXPECT_EQ(service.Metric("holdfast_benchmark_cache_items"), 1);
}

TEST(BroughtBenchmarksTest, AreListed) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  std::string list;
  ASSERT_TRUE(session.SendParameter("service.benchmarks", "", &list).ok());
  EXPECT_THAT(list, HasSubstr(absl::StrCat(kDataset, "ok\n", kDataset, "crash\n")));
}

TEST(BroughtBenchmarksTest, OthersMustBeSent) {
  MisbehavingService service;
  const auto client = service.NewClient();
  int64_t id = 0;
  const grpc::Status status = StartSession(client.get(), "benchmark://another-v0/ok", 0, &id);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "Benchmark not found: benchmark://another-v0/ok");
}

struct BadMaker {
  std::string name;
  const char* text;
  StatusCode code = StatusCode::INVALID_ARGUMENT;
};

class BadMakerTest : public testing::TestWithParam<BadMaker> {};

TEST_P(BadMakerTest, CostsItsOwnCallOnly) {
  MisbehavingService service({"--step_timeout=2s"});
  TestSession bystander = service.NewSession();
  ASSERT_TRUE(StepBy(&bystander, {"add_one"}).ok());
  const pid_t worker = WorkerOf(&bystander);
  const grpc::Status status = StartBrought(service, GetParam().name);
  EXPECT_EQ(status.error_code(), GetParam().code);
  EXPECT_THAT(status.error_message(), HasSubstr(GetParam().text));
  EXPECT_EQ(service.CountSessions(), 1);
  EXPECT_EQ(WorkerOf(&bystander), worker);
  ExpectState(&bystander, "add_one = 1");
  EXPECT_TRUE(StartBrought(service, "ok").ok());
}

INSTANTIATE_TEST_SUITE_P(
    Ways, BadMakerTest,
    testing::Values(BadMaker{"crash", "misbehaving-v0/crash cannot be used: in 2 of 2 attempts"},
                    BadMaker{"hang", "misbehaving-v0/hang cannot be used"},
                    BadMaker{"refuse", "no such benchmark"},
                    BadMaker{"there-is-none", "there is no benchmark://misbehaving-v0/there"},
                    BadMaker{"unavailable", "not now", StatusCode::INTERNAL},
                    BadMaker{"not-found", "no such tool"},
                    BadMaker{"throw", "MakeBenchmark threw: cannot make it", StatusCode::INTERNAL},
                    BadMaker{"no-program", "benchmark.program"}),
    [](const auto& info) {
      std::string name = info.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST(BroughtBenchmarksTest, AMakerThatDiesOnceIsNotNoticed) {
  MisbehavingService service;
  const Marker marker = service.NewMarker();
  const grpc::Status status = StartBrought(service, "crash-once:" + marker.path());
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST(BroughtBenchmarksTest, ACallerInAHurryIsAnsweredInTime) {
  MisbehavingService service;
  const grpc::Status status = StartBrought(service, "hang", nullptr, absl::Seconds(1));
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(StartBrought(service, "ok").ok());
}

TEST(BroughtBenchmarksTest, AServiceThatEndsDoesNotWaitForThem) {
  MisbehavingService service({"--drain_timeout=100ms"});
  const Marker marker = service.NewMarker();
  auto start = std::async(std::launch::async,
                          [&] { return StartBrought(service, "wait:" + marker.path()); });
  ASSERT_TRUE(marker.AwaitWaiting());
  EXPECT_EQ(service.Terminate(), 0);
  EXPECT_EQ(start.get().error_code(), StatusCode::ABORTED);
}

TEST(BroughtBenchmarksTest, CommandsNeedPermission) {
  for (const bool is_allowed : {false, true}) {
    MisbehavingService service(
        {absl::StrCat("--allow_benchmark_commands=", is_allowed ? "true" : "false")});
    const grpc::Status status = StartBrought(service, "commands");
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
}

// ---- Files for the client ----

std::string FileOf(TestSession* session) {
  compiler_gym::StepReply reply;
  const grpc::Status status = StepBy(session, {}, {"client_file"}, &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return status.ok() ? reply.observation(0).string_value() : "";
}

bool AwaitGone(const std::string& path) {
  return WaitUntil([&] { return !std::filesystem::exists(path); });
}

TEST(ClientFilesTest, OutliveTheWorkerAndGoWithTheSession) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const std::string first = FileOf(&session);
  KillWorkerOf(&session);
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const std::string second = FileOf(&session);
  EXPECT_EQ(ReadText(first), "1");
  EXPECT_EQ(ReadText(second), "2");
  session.End();
  EXPECT_TRUE(AwaitGone(first));
  EXPECT_TRUE(AwaitGone(second));
}

TEST(ClientFilesTest, AreThereWhileTheSessionIsParked) {
  MisbehavingService service({"--max_workers=1", "--worker_reuse=100"});
  TestSession session = service.NewSession();
  const std::string file = FileOf(&session);
  TestSession other = service.NewSession();  // Takes the only worker.
  const std::string others = FileOf(&other);
  EXPECT_EQ(ReadText(file), "0");
  other.End();
  session.End();
  // One process wrote them all, and goes on.
  TestSession third = service.NewSession();
  third.End();
  EXPECT_TRUE(AwaitGone(file));
  EXPECT_TRUE(AwaitGone(others));
}

}  // namespace
}  // namespace holdfast
