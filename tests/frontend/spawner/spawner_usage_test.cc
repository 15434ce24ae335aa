// What Measure() tells of processes, with cgroups and without.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "absl/base/config.h"
#include "absl/strings/str_cat.h"
#include "frontend/spawner/process_usage.h"
#include "frontend/spawner/spawner_client.h"
#include "tests/frontend/spawner/spawner_fixture.h"

namespace holdfast {
namespace {

constexpr int64_t kMiB = 1 << 20;

TEST(GroupByLeader, FollowsGroupsAndParents) {
  auto process = [](pid_t pid, pid_t parent, pid_t group) {
    ProcessStat stat;
    stat.pid = pid;
    stat.parent = parent;
    stat.group = group;
    return stat;
  };
  const std::vector<ProcessStat> all = {
      process(1, 0, 1),    process(10, 1, 10), process(11, 10, 10), process(12, 11, 12),
      process(13, 12, 13), process(14, 1, 10), process(20, 1, 20),  process(30, 31, 30),
      process(31, 30, 30), process(2, 0, 0),
  };
  const auto groups = GroupByLeader(all, {20, 10, 0, 99});
  ASSERT_EQ(groups.size(), 4u);
  auto pids = [](const std::vector<ProcessStat>& group) {
    std::vector<pid_t> list;
    for (const ProcessStat& one : group) list.push_back(one.pid);
    return list;
  };
  EXPECT_EQ(pids(groups[0]), (std::vector<pid_t>{20}));
  EXPECT_EQ(pids(groups[1]), (std::vector<pid_t>{10, 11, 12, 13, 14}));
  EXPECT_TRUE(groups[2].empty());
  EXPECT_TRUE(groups[3].empty());
}

// By whether there are cgroups.
class SpawnerUsageTest : public SpawnerClientTest, public testing::WithParamInterface<bool> {
 protected:
  SpawnerUsageTest() : SpawnerClientTest(GetParam()) {}

  void SetUp() override {
#ifdef ABSL_HAVE_THREAD_SANITIZER
    GTEST_SKIP() << "the sanitizer adds a thread and memory to each process";
#endif
  }

  ProcessUsage Measure(Observed* observed, bool whole_group) {
    const auto usages = client_->Measure({observed->id}, whole_group);
    EXPECT_EQ(usages.size(), 1u);
    EXPECT_TRUE(usages[0]);
    return usages[0].value_or(ProcessUsage());
  }
};

INSTANTIATE_TEST_SUITE_P(Mechanisms, SpawnerUsageTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "Cgroups" : "Watchdog"; });

TEST_P(SpawnerUsageTest, Memory) {
  Observed* victim = SpawnReady({"hold", absl::StrCat(64 * kMiB)}, {int64_t{256} * kMiB, 0, 100});
  for (bool whole_group : {false, true}) {
    const ProcessUsage usage = Measure(victim, whole_group);
    EXPECT_GE(usage.memory_bytes, 64 * kMiB);
    EXPECT_LT(usage.memory_bytes, 128 * kMiB);
    EXPECT_EQ(usage.processes, whole_group ? 1 : 0);
    EXPECT_FALSE(usage.memory_limit_hit);
    EXPECT_FALSE(usage.process_limit_hit);
  }
}

TEST_P(SpawnerUsageTest, CpuTimeWithThatOfChildren) {
  Observed* victim = SpawnReady({"burn", "600"}, {0, 0, 100});
  for (bool whole_group : {false, true}) {
    const ProcessUsage usage = Measure(victim, whole_group);
    EXPECT_GE(usage.cpu_seconds, 0.5);
    EXPECT_LT(usage.cpu_seconds, 5);
  }
}

TEST_P(SpawnerUsageTest, SharedMemoryCountsOnce) {
  // Four processes with the same 64 MiB: four times that would exceed the limit.
  Observed* victim = SpawnReady({"share", absl::StrCat(64 * kMiB)}, {int64_t{200} * kMiB, 0, 100});
  const ProcessUsage whole = Measure(victim, /*whole_group=*/true);
  EXPECT_EQ(whole.processes, 4);
  EXPECT_GT(whole.memory_bytes, 60 * kMiB);
  EXPECT_LT(whole.memory_bytes, 120 * kMiB);
  EXPECT_FALSE(whole.memory_limit_hit);
}

TEST_P(SpawnerUsageTest, SeveralAtOnce) {
  const ProcessLimits limits{int64_t{256} * kMiB, 0, 100};
  Observed* large = SpawnReady({"hold", absl::StrCat(100 * kMiB)}, limits);
  Observed* family = SpawnReady({"share", "1"}, limits);
  Observed* unlimited = SpawnReady({"share", "1"}, {});
  Observed* ended = Spawn({"exit", "0"}, limits);
  Exit(ended);
  Observed* starting = Spawn({"sleep"}, limits);
  const auto usages = client_->Measure(
      {ended->id, family->id, 12345, unlimited->id, large->id, starting->id}, true);
  ASSERT_EQ(usages.size(), 6u);
  EXPECT_FALSE(usages[0]);
  ASSERT_TRUE(usages[1]);
  EXPECT_EQ(usages[1]->processes, 4);
  EXPECT_FALSE(usages[2]);
  ASSERT_TRUE(usages[3]);
  EXPECT_EQ(usages[3]->processes, 4);
  ASSERT_TRUE(usages[4]);
  EXPECT_EQ(usages[4]->processes, 1);
  EXPECT_GT(usages[4]->memory_bytes, usages[1]->memory_bytes);
  EXPECT_FALSE(usages[5]);
}

TEST_P(SpawnerUsageTest, EndedButNotReportedIsNothing) {
  Observed* victim = SpawnReady({"hold", "1"}, {});
  UniqueFd process = OpenPid(victim->pid);
  Signal(client_->spawner_pid(), SIGSTOP);  // So that nobody reaps it.
  Signal(victim->pid, SIGKILL);
  pollfd wait{process.get(), POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, kDeadlineMs), 1);
  EXPECT_FALSE(client_->Measure({victim->id}, false)[0]);
  EXPECT_FALSE(client_->Measure({victim->id}, true)[0]);
  Signal(client_->spawner_pid(), SIGCONT);
  EXPECT_EQ(Exit(victim).signal, SIGKILL);
}

}  // namespace
}  // namespace holdfast
