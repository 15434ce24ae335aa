// What holdfastctl prints of a service, and its live view.
#include "frontend/holdfastctl/status_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "frontend/admin/proto_time.h"
#include "frontend/holdfastctl/table.h"
#include "frontend/holdfastctl/top.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const absl::Time kNow = absl::FromUnixSeconds(1800000000);

admin::ServiceStatus MakeStatus() {
  admin::ServiceStatus status;
  status.set_version("0.1.0");
  status.set_pid(4711);
  status.set_front_name("front-1");
  *status.mutable_time() = ToProto(kNow);
  *status.mutable_start_time() = ToProto(kNow - absl::Minutes(192));
  status.set_address("127.0.0.1:4000");
  status.set_readiness(admin::ServiceStatus::READY);
  (*status.mutable_sessions_by_state())["busy"] = 1;
  (*status.mutable_sessions_by_state())["parked"] = 3;
  (*status.mutable_sessions_by_state())["lost"] = 0;
  admin::Worker* worker = status.add_workers();
  worker->set_id(7);
  worker->set_pid(123);
  worker->set_state("leased");
  *worker->mutable_start_time() = ToProto(kNow - absl::Seconds(61));
  worker->set_resident_bytes(12 << 20);
  worker->set_session(9223372036854775807);
  status.add_workers()->set_state("starting");
  admin::Session* session = status.add_sessions();
  session->set_id(9223372036854775807);
  session->set_benchmark("benchmark://x/1");
  session->set_state("busy");
  *session->mutable_start_time() = ToProto(kNow - absl::Hours(2));
  session->set_actions(12345);
  session->set_worker(7);
  admin::WorkerExit* exit = status.add_exits();
  *exit->mutable_time() = ToProto(kNow - absl::Seconds(5));
  exit->set_worker(6);
  exit->set_last_state("leased");
  exit->mutable_failure()->set_cause(WorkerFailure::SIGNAL);
  exit->mutable_failure()->set_signal(11);
  *status.add_exits() = *exit;
  status.mutable_exits(1)->clear_failure();
  admin::Failure* failure = status.add_failures();
  *failure->mutable_time() = exit->time();
  failure->set_session(9223372036854775807);
  failure->set_benchmark("benchmark://x/1");
  *failure->mutable_failure() = exit->failure();
  failure->mutable_failure()->set_during("Step");
  failure->mutable_failure()->set_activity(WorkerFailure::ACTION);
  failure->mutable_failure()->set_activity_index(3);
  failure->mutable_failure()->set_attempts(2);
  return status;
}

// The same, with text that is long, wide, or tries to write to the terminal.
admin::ServiceStatus MakeHostileStatus() {
  admin::ServiceStatus status = MakeStatus();
  std::string hostile = "\x1b[2J\n";
  for (int i = 0; i < 60; ++i) absl::StrAppend(&hostile, u8"\u4e16\u754c/x\u0301\u202e");
  status.set_version(hostile);
  status.set_build(hostile);
  status.set_front_name(hostile);
  status.set_reason(hostile);
  status.set_address(hostile);
  status.set_worker_binary(hostile);
  status.set_compiler_version(hostile);
  status.mutable_workers(0)->set_state(hostile);
  status.mutable_sessions(0)->set_benchmark(hostile);
  status.mutable_sessions(0)->set_state(hostile);
  status.mutable_failures(0)->set_benchmark(hostile);
  status.mutable_failures(0)->mutable_failure()->set_during(hostile);
  status.mutable_exits(0)->set_last_state(hostile);
  (*status.mutable_sessions_by_state())[hostile] = INT64_MAX / 2;
  admin::Limit* limit = status.add_limits();
  limit->set_flag(hostile);
  limit->set_value(hostile);
  limit->set_mechanism(hostile);
  status.add_budgets()->set_flag(hostile);
  status.add_latencies()->set_method(hostile);
  return status;
}

TEST(StatusTextTest, SaysWhetherItIsReady) {
  admin::ServiceStatus status = MakeStatus();
  EXPECT_EQ(HeadLine(status), "Holdfast 0.1.0, front-1 (pid 4711), up 3h12m: ready");
  status.set_readiness(admin::ServiceStatus::NOT_READY);
  status.set_reason("workers cannot be started");
  EXPECT_EQ(ReadinessText(status), "not ready: workers cannot be started");
  // Of a later version.
  status.set_readiness(static_cast<admin::ServiceStatus::Readiness>(77));
  status.clear_reason();
  EXPECT_EQ(ReadinessText(status), "state 77");
}

TEST(StatusTextTest, CountsByState) {
  EXPECT_EQ(SessionCounts(MakeStatus()), "4: 3 parked, 1 busy");
  EXPECT_EQ(WorkerCounts(MakeStatus()), "2: 1 leased, 1 starting");
  EXPECT_EQ(WorkerCounts(admin::ServiceStatus()), "0");
}

TEST(StatusTextTest, TablesOfWorkersAndSessions) {
  EXPECT_THAT(TabulateWorkers(MakeStatus()).Lines(),
              ElementsAre("WORKER  PID  STATE        AGE  MEMORY  SERVED              SESSION",
                          "     7  123  leased      1m1s  12 MiB       0  9223372036854775807",
                          testing::_));
  EXPECT_THAT(SessionsText(MakeStatus()),
              HasSubstr("            SESSION  STATE   AGE  IDLE  ACTIONS  WORKER  BENCHMARK\n"
                        "9223372036854775807  busy   2h0m  call    12345       7  "
                        "benchmark://x/1\n... and 3 more\n"));
}

TEST(StatusTextTest, ExitsAndFailures) {
  const std::string workers = WorkersText(MakeStatus());
  EXPECT_THAT(workers, HasSubstr("5s ago       6    -  leased  SIGSEGV\n"));
  EXPECT_THAT(workers, HasSubstr("5s ago       6    -  leased  retired\n"));
  EXPECT_THAT(FailuresText(MakeStatus()),
              HasSubstr("5s ago  SIGSEGV  Step, action 3      2  9223372036854775807  "
                        "benchmark://x/1\n"));
  EXPECT_THAT(FailuresText(admin::ServiceStatus()), StartsWith("No worker has failed"));
}

TEST(StatusTextTest, EveryLineFitsWhateverTheServiceSays) {
  for (const admin::ServiceStatus& status :
       {admin::ServiceStatus(), MakeStatus(), MakeHostileStatus()}) {
    for (const auto& text : {StatusText, SessionsText, WorkersText, FailuresText}) {
      const std::vector<std::string> lines = absl::StrSplit(text(status), '\n');
      for (const std::string& line : lines) {
        EXPECT_LE(WidthOf(line), 80) << line;
        EXPECT_EQ(Showable(line), line);
      }
    }
  }
}

TopSample MakeSample(const admin::ServiceStatus& status, int steps, int failures) {
  std::string metrics;
  const auto bucket = [&metrics](const char* bound, int count) {
    absl::StrAppend(&metrics, "holdfast_rpc_duration_seconds_bucket{method=\"Step\",le=\"", bound,
                    "\"} ", count, "\n");
  };
  bucket("0.001", 0);
  bucket("0.003", steps);
  bucket("+Inf", steps);
  absl::StrAppend(&metrics, "holdfast_worker_failures_total{cause=\"signal\"} ", failures, "\n",
                  "holdfast_recoveries_total{outcome=\"restored\"} ", failures, "\n");
  return {status, ParseMetrics(metrics)};
}

TEST(TopTest, ShowsRatesBetweenTwoAnswers) {
  admin::ServiceStatus status = MakeStatus();
  const TopSample earlier = MakeSample(status, 1000, 3);
  *status.mutable_time() = ToProto(kNow + absl::Seconds(2));
  const TopSample now = MakeSample(status, 3000, 4);
  EXPECT_EQ(TopLines(absl::nullopt, earlier, 24, 80)[1],
            "steps -/s, recoveries -/s, failures -/s; Step p50 2ms, p99 3ms");
  EXPECT_EQ(TopLines(earlier, now, 24, 80)[1],
            "steps 1000/s, recoveries 0.5/s, failures 0.5/s; Step p50 2ms, p99 3ms");
  EXPECT_THAT(TopLines(now, earlier, 24, 80)[1], StartsWith("steps -/s"));
}

TEST(TopTest, FitsAnyTerminal) {
  admin::ServiceStatus status = MakeHostileStatus();
  for (int i = 0; i < 100; ++i) {
    *status.add_workers() = status.workers(0);
    *status.add_sessions() = status.sessions(0);
  }
  const TopSample sample = MakeSample(status, 1, 1);
  for (const int rows : {1, 5, 8, 10, 23, 24, 60}) {
    for (const int columns : {40, 80}) {
      const std::vector<std::string> lines = TopLines(sample, sample, rows, columns);
      EXPECT_LE(lines.size(), static_cast<size_t>(rows));
      if (rows >= 23) {
        EXPECT_EQ(lines.size(), static_cast<size_t>(rows));
      }
      for (const std::string& line : lines) {
        EXPECT_LE(WidthOf(line), columns) << line;
        EXPECT_EQ(Showable(line), line);
      }
    }
  }
}

TEST(TopTest, SharesTheRoomAmongWorkersAndSessions) {
  admin::ServiceStatus status = MakeStatus();
  for (int i = 0; i < 100; ++i) *status.add_workers() = status.workers(0);
  std::vector<std::string> lines = TopLines(absl::nullopt, MakeSample(status, 1, 1), 24, 80);
  // One session takes three lines; workers get the rest.
  EXPECT_THAT(lines[lines.size() - 4], StartsWith("... and "));
  EXPECT_THAT(lines.back(), HasSubstr("benchmark://x/1"));
  status.clear_sessions();
  lines = TopLines(absl::nullopt, MakeSample(status, 1, 1), 24, 80);
  EXPECT_THAT(lines.back(), StartsWith("... and "));
  EXPECT_EQ(lines.size(), 24U);
}

}  // namespace
}  // namespace holdfast
