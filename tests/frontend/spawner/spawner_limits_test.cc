// What becomes of a process that exceeds its limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/base/config.h"
#include "frontend/spawner/spawner_client.h"
#include "tests/frontend/spawner/spawner_fixture.h"

namespace holdfast {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr ProcessLimits kMemoryLimit{128 * kMiB, 0, 0};
constexpr ProcessLimits kProcessLimit{0, 0, 50};
constexpr ProcessLimits kBothLimits{128 * kMiB, 0, 50};

std::string Bytes(int64_t mib) { return std::to_string(mib * kMiB); }

class SpawnerLimitsTest : public SpawnerClientTest {
 protected:
  using SpawnerClientTest::SpawnerClientTest;

  ProcessUsage Measure(Observed* observed) {
    const auto usages = client_->Measure({observed->id}, /*whole_groups=*/true);
    EXPECT_TRUE(usages[0]);
    return usages[0].value_or(ProcessUsage());
  }
  // Nothing but the tree itself.
  void ExpectNoWorkerCgroups() {
    for (const std::string& directory : CgroupsOfService(getpid())) {
      EXPECT_EQ(std::filesystem::path(directory).filename(),
                "holdfast-" + std::to_string(getpid()));
    }
  }
};

class MemoryCgroupTest : public SpawnerLimitsTest {
 protected:
  void SetUp() override {
    if (client_->mechanisms().memory == "watchdog") {
      GTEST_SKIP() << "no memory cgroup can be made here";
    }
  }
};

class PidsCgroupTest : public SpawnerLimitsTest {
 protected:
  void SetUp() override {
    if (client_->mechanisms().processes == "watchdog") {
      GTEST_SKIP() << "no pids cgroup can be made here";
    }
  }
};

class WatchdogTest : public SpawnerLimitsTest {
 protected:
  WatchdogTest() : SpawnerLimitsTest(/*use_cgroups=*/false) {}
};

TEST_F(MemoryCgroupTest, MemoryBombIsProven) {
  const ProcessExit& exit = Exit(Spawn({"memory", Bytes(1024)}, kMemoryLimit));
  EXPECT_TRUE(exit.known) << exit.error;
  EXPECT_EQ(exit.signal, SIGKILL);
  EXPECT_TRUE(exit.memory_limit_hit);
  EXPECT_FALSE(exit.process_limit_hit);
  EXPECT_GT(exit.peak_rss_bytes, 100 * kMiB);
  EXPECT_LE(exit.peak_rss_bytes, 140 * kMiB);
  ExpectNoWorkerCgroups();
}

TEST_F(MemoryCgroupTest, KillIsNoProof) {
  Observed* victim = SpawnReady({"hold", Bytes(32)}, kBothLimits);
  client_->Kill(victim->id);
  EXPECT_EQ(Exit(victim).signal, SIGKILL);
  EXPECT_FALSE(victim->exit->memory_limit_hit);
  EXPECT_FALSE(victim->exit->process_limit_hit);
  ExpectNoWorkerCgroups();
}

TEST_F(MemoryCgroupTest, PageCacheIsNoProof) {
  const ProcessExit& exit = Exit(Spawn({"write", Bytes(300)}, kMemoryLimit));
  EXPECT_EQ(exit.exit_code, 0);
  EXPECT_EQ(exit.signal, 0);
  EXPECT_FALSE(exit.memory_limit_hit);
}

TEST_F(MemoryCgroupTest, LossOfAChildShows) {
  Observed* victim = Spawn({"lose_child", Bytes(1024)}, kMemoryLimit);
  if (client_->mechanisms().memory == "cgroup_v1") {
    RunUntil([&] { return victim->pid != 0 && victim->out == "child 9\nready\n"; });
    EXPECT_TRUE(Measure(victim).memory_limit_hit);
    EXPECT_TRUE(client_->Measure({victim->id}, /*whole_groups=*/false)[0]->memory_limit_hit);
    client_->Kill(victim->id);
  }  // Version 2 kills all of it.
  EXPECT_EQ(Exit(victim).signal, SIGKILL);
  EXPECT_TRUE(victim->exit->memory_limit_hit);
  EXPECT_GT(victim->exit->peak_rss_bytes, 100 * kMiB);
  ExpectNoWorkerCgroups();
}

TEST_F(MemoryCgroupTest, NeighbourIsSpared) {
  Observed* neighbour = SpawnReady({"hold", Bytes(32)}, kMemoryLimit);
  EXPECT_TRUE(Exit(Spawn({"memory", Bytes(1024)}, kMemoryLimit)).memory_limit_hit);
  EXPECT_FALSE(Measure(neighbour).memory_limit_hit);
  EXPECT_FALSE(neighbour->exit);
}

TEST_F(PidsCgroupTest, ForkBombIsHeldAndRemoved) {
  Observed* neighbour = SpawnReady({"hold", "1"}, kProcessLimit);
  Observed* victim = Spawn({"fork_bomb"}, kProcessLimit);
  RunUntil([&] { return victim->pid != 0 && victim->out == "refused\n"; });
  const ProcessUsage usage = Measure(victim);
  EXPECT_TRUE(usage.process_limit_hit);
  EXPECT_GT(usage.processes, 1);
  EXPECT_LE(usage.processes, 50);
  EXPECT_FALSE(Measure(neighbour).process_limit_hit);
  std::vector<UniqueFd> bomblets;
  for (const std::string& directory : CgroupsOfService(getpid())) {
    if (std::filesystem::path(directory).filename() != std::to_string(victim->id)) continue;
    for (pid_t pid : ListCgroup({{}, {1, directory}})) bomblets.push_back(OpenPid(pid));
  }
  EXPECT_GT(bomblets.size(), 10u);
  client_->Kill(victim->id);
  EXPECT_EQ(Exit(victim).signal, SIGKILL);
  EXPECT_TRUE(victim->exit->process_limit_hit);
  EXPECT_FALSE(victim->exit->memory_limit_hit);
  for (const UniqueFd& bomblet : bomblets) EXPECT_TRUE(!bomblet || IsGone(bomblet));
  EXPECT_FALSE(neighbour->exit);
}

TEST_F(PidsCgroupTest, WhatLeftTheGroupDiesWithAKilledProcess) {
  Observed* victim = Spawn({"daemon"}, kBothLimits);
  UniqueFd daemon = Grandchild(victim);
  client_->Kill(victim->id);
  EXPECT_EQ(Exit(victim).signal, SIGKILL);
  EXPECT_TRUE(IsGone(daemon));
  EXPECT_FALSE(victim->exit->process_limit_hit);
  ExpectNoWorkerCgroups();
}

TEST_F(PidsCgroupTest, ManyComeAndGo) {
  std::vector<Observed*> victims;
  for (int i = 0; i < 50; ++i) {
    victims.push_back(Spawn({i % 2 == 0 ? "exit" : "daemon", "exit"}, kBothLimits));
  }
  for (Observed* victim : victims) EXPECT_TRUE(Exit(victim).known) << victim->exit->error;
  ExpectNoWorkerCgroups();
}

TEST_F(SpawnerLimitsTest, FileThatGrowsTooLargeIsASignal) {
  const ProcessLimits limits{0, kMiB, 0};
  EXPECT_EQ(Exit(Spawn({"write", Bytes(1)}, limits)).signal, 0);
  EXPECT_EQ(Exit(Spawn({"write", Bytes(2)}, limits)).signal, SIGXFSZ);
  EXPECT_EQ(std::filesystem::file_size(scratch_ + "/file"), static_cast<size_t>(kMiB));
  EXPECT_EQ(Exit(Spawn({"write", Bytes(2), "stubborn"}, limits)).exit_code, 1);
  EXPECT_EQ(Exit(Spawn({"flood", Bytes(2)}, limits)).exit_code, 0);  // A pipe is no file.
}

TEST_F(WatchdogTest, SaysSoAndMakesNoCgroup) {
  EXPECT_EQ(client_->mechanisms().memory, "watchdog");
  EXPECT_EQ(client_->mechanisms().processes, "watchdog");
  Observed* victim = SpawnReady({"hold", Bytes(200)}, kBothLimits);
  EXPECT_THAT(CgroupsOfService(getpid()), testing::IsEmpty());
  const ProcessUsage usage = Measure(victim);
  EXPECT_GT(usage.memory_bytes, 200 * kMiB);  // For somebody else to judge.
  EXPECT_FALSE(usage.memory_limit_hit);
  client_->Kill(victim->id);
  EXPECT_FALSE(Exit(victim).memory_limit_hit);
}

TEST_F(WatchdogTest, PrivateMemoryIsBounded) {
#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
  GTEST_SKIP() << "sanitizers use address space without measure";
#endif
  // Twice the limit and 1 GiB.
  const ProcessExit& within = Exit(Spawn({"memory", Bytes(1100)}, kMemoryLimit));
  EXPECT_EQ(within.exit_code, 0);
  EXPECT_EQ(within.signal, 0);
  const ProcessExit& exit = Exit(Spawn({"memory", Bytes(1400)}, kMemoryLimit));
  EXPECT_EQ(exit.signal, SIGABRT);  // bad_alloc.
  EXPECT_LT(exit.peak_rss_bytes, 100 * kMiB);
}

}  // namespace
}  // namespace holdfast
