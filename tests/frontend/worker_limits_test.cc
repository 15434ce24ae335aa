#include "frontend/worker_limits.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

WorkerLimits Limits() {
  WorkerLimits limits;
  limits.process.memory_bytes = 1000;
  limits.process.file_bytes = 500;
  limits.process.processes = 10;
  limits.call_cpu = absl::Seconds(2);
  return limits;
}

TEST(WorkerLimitsTest, UsageWithinLimitsIsNoExcess) {
  ProcessUsage usage;
  usage.memory_bytes = 1000;
  usage.processes = 10;
  usage.cpu_seconds = 7;
  EXPECT_FALSE(FindExcess(Limits(), usage, 5).has_value());
}

TEST(WorkerLimitsTest, NoLimitsNoExcess) {
  ProcessUsage usage;
  usage.memory_bytes = INT64_MAX;
  usage.processes = INT64_MAX;
  usage.cpu_seconds = 1e9;
  EXPECT_FALSE(FindExcess(WorkerLimits(), usage, 0).has_value());
}

TEST(WorkerLimitsTest, ExcessNamesFlagLimitAndMeasure) {
  ProcessUsage usage;
  usage.memory_bytes = 1001;
  auto excess = FindExcess(Limits(), usage, 0);
  ASSERT_TRUE(excess.has_value());
  EXPECT_EQ(excess->cause(), WorkerFailure::MEMORY_LIMIT);
  EXPECT_EQ(excess->limit_flag(), "--worker_memory_limit_bytes");
  EXPECT_EQ(excess->limit(), 1000);
  EXPECT_EQ(excess->measured(), 1001);

  usage = {};
  usage.processes = 11;
  excess = FindExcess(Limits(), usage, 0);
  ASSERT_TRUE(excess.has_value());
  EXPECT_EQ(excess->cause(), WorkerFailure::PROCESS_LIMIT);
  EXPECT_EQ(excess->limit_flag(), "--worker_process_limit");
  EXPECT_EQ(excess->measured(), 11);

  usage = {};
  usage.cpu_seconds = 7.5;
  excess = FindExcess(Limits(), usage, 5);
  ASSERT_TRUE(excess.has_value());
  EXPECT_EQ(excess->cause(), WorkerFailure::CPU_LIMIT);
  EXPECT_EQ(excess->limit_flag(), "--step_cpu_limit");
  EXPECT_EQ(excess->limit(), 2);
  EXPECT_EQ(excess->measured(), 2.5);
}

TEST(WorkerLimitsTest, WhatTheKernelRefusedCountsAlthoughItIsNotThere) {
  ProcessUsage usage;
  usage.memory_limit_hit = true;
  auto excess = FindExcess(Limits(), usage, 0);
  ASSERT_TRUE(excess.has_value());
  EXPECT_EQ(excess->cause(), WorkerFailure::MEMORY_LIMIT);
  EXPECT_EQ(excess->measured(), 1000);
  usage = {};
  usage.process_limit_hit = true;
  excess = FindExcess(Limits(), usage, 0);
  ASSERT_TRUE(excess.has_value());
  EXPECT_EQ(excess->cause(), WorkerFailure::PROCESS_LIMIT);
}

ProcessExit Killed(int signal, int64_t peak) {
  ProcessExit exit;
  exit.known = true;
  exit.signal = signal;
  exit.peak_rss_bytes = peak;
  return exit;
}

// What is said when operator new fails, and what the failure handler adds.
constexpr char kTerminate[] =
    "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n";
constexpr char kLlvm[] = "LLVM ERROR: out of memory\nAllocation failed\n";
constexpr char kTrace[] =
    "*** SIGABRT received at time=1700000000 on cpu 1 ***\n"
    "PC: @     0x7f3c5a2b3e2c  (unknown)  (unknown)\n"
    "    @     0x7f3c5a264fb2  (unknown)  raise\n";

TEST(WorkerLimitsTest, OutOfMemoryOnlyWithEvidence) {
  EXPECT_FALSE(FindExcess(Limits(), Killed(SIGKILL, 999), "").has_value());
  EXPECT_FALSE(FindExcess(Limits(), Killed(SIGABRT, 999), "assertion failed").has_value());
  EXPECT_FALSE(FindExcess(Limits(), Killed(SIGSEGV, 999), kTerminate).has_value());

  ProcessExit by_kernel = Killed(SIGKILL, 900);
  by_kernel.memory_limit_hit = true;
  for (const auto& excess : {
           FindExcess(Limits(), by_kernel, ""),
           FindExcess(Limits(), Killed(SIGABRT, 1001), ""),
           FindExcess(Limits(), Killed(SIGABRT, 10), kTerminate),
           FindExcess(Limits(), Killed(SIGABRT, 10), kLlvm),
           FindExcess(Limits(), Killed(SIGABRT, 10), absl::StrCat("hello\n", kTerminate, kTrace)),
           FindExcess(Limits(), Killed(SIGABRT, 10), absl::StrCat("hello\n", kLlvm, kTrace)),
       }) {
    ASSERT_TRUE(excess.has_value());
    EXPECT_EQ(excess->cause(), WorkerFailure::MEMORY_LIMIT);
    EXPECT_EQ(excess->limit(), 1000);
  }
  // Nobody set a limit, so none was exceeded.
  EXPECT_FALSE(FindExcess(WorkerLimits(), Killed(SIGABRT, 10), kTerminate).has_value());
}

TEST(WorkerLimitsTest, TalkOfMemoryIsNoEvidence) {
  for (const std::string& tail :
       {std::string("note: std::bad_alloc is handled\n"),
        absl::StrCat("note: std::bad_alloc is handled\n", kTrace),
        absl::StrCat(kTerminate, "never mind\n", kTrace),
        absl::StrCat(kLlvm, "worker: a.cc:7: void f(): Assertion `b' failed.\n", kTrace)}) {
    EXPECT_FALSE(FindExcess(Limits(), Killed(SIGABRT, 10), tail).has_value()) << tail;
  }
}

TEST(WorkerLimitsTest, InACgroupTheLimitFailsNoAllocation) {
  WorkerLimits limits = Limits();
  limits.is_memory_watched = false;
  EXPECT_FALSE(FindExcess(limits, Killed(SIGABRT, 999), kTerminate).has_value());
  EXPECT_TRUE(FindExcess(limits, Killed(SIGABRT, 1001), kTerminate).has_value());
}

TEST(WorkerLimitsTest, FileSizeSignalIsTheFileLimit) {
  const auto excess = FindExcess(Limits(), Killed(SIGXFSZ, 10), "");
  ASSERT_TRUE(excess.has_value());
  EXPECT_EQ(excess->cause(), WorkerFailure::FILE_LIMIT);
  EXPECT_EQ(excess->limit_flag(), "--worker_file_limit_bytes");
  EXPECT_EQ(excess->limit(), 500);
}

TEST(WorkerLimitsTest, ResourceLimits) {
  EXPECT_TRUE(IsResourceLimit(WorkerFailure::MEMORY_LIMIT));
  EXPECT_TRUE(IsResourceLimit(WorkerFailure::CPU_LIMIT));
  EXPECT_TRUE(IsResourceLimit(WorkerFailure::FILE_LIMIT));
  EXPECT_TRUE(IsResourceLimit(WorkerFailure::PROCESS_LIMIT));
  EXPECT_FALSE(IsResourceLimit(WorkerFailure::TIME_LIMIT));
  EXPECT_FALSE(IsResourceLimit(WorkerFailure::SIGNAL));
}

}  // namespace
}  // namespace holdfast
