#include "frontend/worker_watchdog.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "frontend/fake_clock.h"
#include "frontend/fake_process_spawner.h"
#include "frontend/fake_worker_client.h"
#include "frontend/worker_growth.h"

namespace holdfast {
namespace {

class WorkerWatchdogTest : public testing::Test {
 protected:
  const absl::Duration kGroupLook = WorkerWatchdog::kGroupTicks * WorkerWatchdog::kPeriod;
  const absl::Duration kIdleLook = WorkerWatchdog::kIdleTicks * WorkerWatchdog::kPeriod;

  void Watch(bool is_memory_watched = true) {
    limits_.is_memory_watched = is_memory_watched;
    limits_.process.memory_bytes = memory_limit_;
    limits_.process.processes = 10;
    limits_.call_cpu = absl::Seconds(2);
    watchdog_ = std::make_unique<WorkerWatchdog>(limits_, &clock_, &spawner_);
    process_ = spawner_.Spawn({}, {});
    spawner_.Started(process_);
    WorkerWatchdog::Events events;
    events.on_excess = [this](const WorkerFailure& excess) { kills_.push_back(excess.cause()); };
    events.on_grown = [this] { ++grown_; };
    watchdog_->Watch(1, process_, client_, std::move(events));
  }
  void BeginCall() {
    client_->Call(WorkerMethod::kStep, {}, absl::InfiniteFuture(), [](const WorkerReply&) {});
  }
  ProcessUsage& usage() { return spawner_.process(process_).usage; }

  FakeClock clock_;
  FakeProcessSpawner spawner_;
  std::shared_ptr<FakeWorkerClient> client_ = std::make_shared<FakeWorkerClient>();
  WorkerLimits limits_;
  std::unique_ptr<WorkerWatchdog> watchdog_;
  ProcessId process_ = 0;
  std::vector<WorkerFailure::Cause> kills_;
  int grown_ = 0;
  int64_t memory_limit_ = 1000;
};

TEST_F(WorkerWatchdogTest, EndsACallThatUsesTooMuchMemoryWithinTwoPeriods) {
  Watch();
  BeginCall();
  usage().memory_bytes = 1001;
  clock_.Advance(2 * WorkerWatchdog::kPeriod);
  EXPECT_EQ(kills_, std::vector{WorkerFailure::MEMORY_LIMIT});
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(kills_.size(), 1u) << "only once";
}

TEST_F(WorkerWatchdogTest, LeavesMemoryToTheKernelAndHearsOfItsKills) {
  Watch(/*is_memory_watched=*/false);
  BeginCall();
  usage().memory_limit_hit = true;  // Of a child: the worker itself lives.
  clock_.Advance(kGroupLook - WorkerWatchdog::kPeriod);
  EXPECT_TRUE(kills_.empty());
  clock_.Advance(WorkerWatchdog::kPeriod);
  EXPECT_EQ(kills_, std::vector{WorkerFailure::MEMORY_LIMIT});
}

TEST_F(WorkerWatchdogTest, WorkerBetweenCallsIsLookedAtToo) {
  Watch();
  usage().memory_bytes = 1001;
  clock_.Advance(kIdleLook - WorkerWatchdog::kPeriod);
  EXPECT_TRUE(kills_.empty());
  clock_.Advance(WorkerWatchdog::kPeriod);
  EXPECT_EQ(kills_, std::vector{WorkerFailure::MEMORY_LIMIT});
}

TEST_F(WorkerWatchdogTest, CpuTimeCountsWithinOneCall) {
  Watch();
  usage().cpu_seconds = 100;  // Of earlier calls.
  BeginCall();
  clock_.Advance(kGroupLook);
  usage().cpu_seconds += 1.5;
  clock_.Advance(kGroupLook);
  EXPECT_TRUE(kills_.empty());
  // The next call begins with nothing.
  client_->Answer({});
  BeginCall();
  clock_.Advance(kGroupLook);
  usage().cpu_seconds += 1.5;
  clock_.Advance(kGroupLook);
  EXPECT_TRUE(kills_.empty());
  usage().cpu_seconds += 1;
  clock_.Advance(kGroupLook);
  EXPECT_EQ(kills_, std::vector{WorkerFailure::CPU_LIMIT});
}

TEST_F(WorkerWatchdogTest, TooManyProcesses) {
  Watch();
  BeginCall();
  usage().processes = 11;
  clock_.Advance(kGroupLook);
  EXPECT_EQ(kills_, std::vector{WorkerFailure::PROCESS_LIMIT});
}

TEST_F(WorkerWatchdogTest, GrowthIsToldAtEachLookAndCountsFromTheFirstBetweenTwoCalls) {
  constexpr int64_t kFirst = 200 << 20;
  memory_limit_ = int64_t{4} << 30;
  Watch();
  usage().memory_bytes = 1 << 20;  // It holds no session yet.
  clock_.Advance(kIdleLook);
  BeginCall();
  usage().memory_bytes = 3 * kFirst;  // What Init needs is not what it leaves.
  clock_.Advance(kIdleLook);
  client_->Answer({});
  usage().memory_bytes = kFirst;
  clock_.Advance(kIdleLook);
  BeginCall();
  usage().memory_bytes = 10 * kFirst;
  clock_.Advance(kIdleLook);
  EXPECT_EQ(grown_, 0) << "a call may need much";
  client_->Answer({});
  usage().memory_bytes = kGrowthFactor * kFirst;
  clock_.Advance(kIdleLook);
  EXPECT_EQ(grown_, 0);
  usage().memory_bytes += 1;
  clock_.Advance(kIdleLook);
  EXPECT_EQ(grown_, 1);
  clock_.Advance(kIdleLook);
  EXPECT_EQ(grown_, 2);
  EXPECT_TRUE(kills_.empty());
}

TEST_F(WorkerWatchdogTest, SmallWorkersMayGrowManyTimesOver) {
  memory_limit_ = int64_t{4} << 30;
  Watch();
  BeginCall();
  client_->Answer({});
  usage().memory_bytes = 1000;
  clock_.Advance(kIdleLook);
  usage().memory_bytes = 1000 + kGrowthBytes;
  clock_.Advance(kIdleLook);
  EXPECT_EQ(grown_, 0);
  usage().memory_bytes += 1;
  clock_.Advance(kIdleLook);
  EXPECT_EQ(grown_, 1);
}

TEST_F(WorkerWatchdogTest, WhoIsNotWatchedAnyMoreIsLeftAlone) {
  Watch();
  BeginCall();
  usage().memory_bytes = 1001;
  watchdog_->Unwatch(1);
  clock_.Advance(absl::Minutes(1));
  EXPECT_TRUE(kills_.empty());
}

TEST_F(WorkerWatchdogTest, ProcessThatHasEndedIsNobodysExcess) {
  Watch();
  BeginCall();
  usage().memory_bytes = 1001;
  spawner_.ExitWithCode(process_, 0);
  clock_.Advance(absl::Minutes(1));
  EXPECT_TRUE(kills_.empty());
}

}  // namespace
}  // namespace holdfast
