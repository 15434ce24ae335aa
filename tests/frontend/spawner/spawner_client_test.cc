// What the spawner does for a process, from its start to its exit.
#include "frontend/spawner/spawner_client.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "tests/frontend/spawner/spawner_fixture.h"

namespace holdfast {
namespace {

TEST_F(SpawnerClientTest, ReportsExitCodes) {
  for (int code : {0, 1, 77, 255}) {
    Observed* victim = Spawn({"exit", std::to_string(code)});
    EXPECT_EQ(victim->pid, 0);  // Never from within the call.
    const ProcessExit& exit = Exit(victim);
    EXPECT_TRUE(exit.known) << exit.error;
    EXPECT_EQ(exit.exit_code, code);
    EXPECT_EQ(exit.signal, 0);
    EXPECT_GT(victim->pid, 1);
  }
}

TEST_F(SpawnerClientTest, ReportsSignals) {
  Observed* aborts = Spawn({"abort"});
  EXPECT_EQ(Exit(aborts).signal, SIGABRT);
  EXPECT_TRUE(aborts->exit->known);
  Observed* stubborn = Spawn({"ignore"});
  RunUntil([&] { return stubborn->out == "ready\n"; });
  client_->Kill(stubborn->id);
  EXPECT_EQ(Exit(stubborn).signal, SIGKILL);
  client_->Kill(stubborn->id);  // Ignored.
  client_->Kill(123456);
}

TEST_F(SpawnerClientTest, KillsWhatHasHardlyStarted) {
  Observed* victim = Spawn({"sleep"});
  client_->Kill(victim->id);
  EXPECT_EQ(Exit(victim).signal, SIGKILL);
}

TEST_F(SpawnerClientTest, ReportsMemoryAndTime) {
  Observed* small = Spawn({"exit", "0"});
  Observed* large = Spawn({"memory", std::to_string(100 << 20)});
  EXPECT_LT(Exit(small).peak_rss_bytes, 50 << 20);
  EXPECT_GT(Exit(large).peak_rss_bytes, 100 << 20);
  EXPECT_GT(large->exit->cpu_seconds, 0.04);
  EXPECT_LT(large->exit->cpu_seconds, 10);
  std::printf("least peak rss: %ld KiB\n", static_cast<long>(small->exit->peak_rss_bytes >> 10));
}

TEST_F(SpawnerClientTest, DeliversOutputBeforeTheExit) {
  Observed* dies = Spawn({"die", "last words"});
  Observed* floods = Spawn({"flood", "10000000"});
  EXPECT_EQ(Exit(dies).signal, SIGABRT);
  EXPECT_EQ(dies->err, "last words\n");
  EXPECT_EQ(Exit(floods).exit_code, 0);
  EXPECT_EQ(floods->out.size(), 10'000'000u);
}

TEST_F(SpawnerClientTest, GivesAWorkerWhatItNeedsAndNothingElse) {
  ProcessRequest request;
  request.arguments = {"name", "describe", ""};
  request.environment = {"A=b c", "PATH="};
  Observed* victim = Spawn(std::move(request));
  EXPECT_EQ(Exit(victim).exit_code, 0);
  std::string expected =
      "argument name\nargument describe\nargument \n"
      "environment A=b c\nenvironment PATH=\n"
      "directory " +
      std::filesystem::canonical(scratch_).string() +
      "\n"
      "descriptors 0 1 2 3\n"
      "stdin /dev/null\n"
      "leads its group yes\n"
      "death signal 9\n"
      "oom 1000\n"
      "core 0 0\n"
      "signals ignored or blocked: HUP USR1\n";
  EXPECT_EQ(victim->out, expected);
}

TEST_F(SpawnerClientTest, LinkIsConnected) {
  Observed* victim = Spawn({"echo"});
  EXPECT_EQ(write(victim->link.get(), "a", 1), 1);
  EXPECT_EQ(Exit(victim).exit_code, 0);
  char byte = 0;
  EXPECT_EQ(read(victim->link.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'b');
  EXPECT_EQ(read(victim->link.get(), &byte, 1), 0);  // Nobody else holds it.
}

TEST_F(SpawnerClientTest, KillEndsTheWholeGroup) {
  Observed* victim = Spawn({"grandchild"});
  UniqueFd grandchild = Grandchild(victim);
  EXPECT_FALSE(IsGone(grandchild));
  client_->Kill(victim->id);
  EXPECT_EQ(Exit(victim).signal, SIGKILL);
  EXPECT_TRUE(IsGone(grandchild));  // Before the exit was told.
}

TEST_F(SpawnerClientTest, ExitEndsTheGroupAndWhatLeftIt) {
  for (const char* mode : {"grandchild", "daemon"}) {
    // It exits after its report, so only the grandchild's pid may be looked at: by its absence.
    Observed* victim = Spawn({mode, "exit"});
    EXPECT_EQ(Exit(victim).exit_code, 0);
    int pid = 0;
    ASSERT_TRUE(absl::SimpleAtoi(absl::StripSuffix(victim->out, "\n"), &pid));
    EXPECT_EQ(kill(pid, 0), -1) << mode;
    EXPECT_EQ(errno, ESRCH);
  }
}

TEST_F(SpawnerClientTest, SweepsADaemonOfAKilledWorkerAndSparesOthers) {
  Observed* bystander = Spawn({"grandchild"});
  UniqueFd spared = Grandchild(bystander);
  Observed* victim = Spawn({"daemon"});
  UniqueFd daemon = Grandchild(victim);
  client_->Kill(victim->id);
  EXPECT_EQ(Exit(victim).signal, SIGKILL);
  EXPECT_TRUE(IsGone(daemon));
  EXPECT_FALSE(IsGone(spared));
  EXPECT_FALSE(bystander->exit);
}

TEST_F(SpawnerClientTest, SaysWhyAProcessCannotBeStarted) {
  std::string plain = scratch_ + "/plain";
  std::ofstream(plain) << "neither program nor script";
  UniqueFd plain_fd = OpenBinary(plain);
  auto error = [&](ProcessRequest request) {
    request.arguments = {"x"};
    Observed* victim = Spawn(std::move(request));
    EXPECT_FALSE(Exit(victim).known);
    EXPECT_EQ(victim->pid, 0);
    return victim->exit->error;
  };
  ProcessRequest not_executable;
  not_executable.binary = plain_fd.get();
  EXPECT_EQ(error(std::move(not_executable)), "exec: Permission denied");
  chmod(plain.c_str(), 0700);
  ProcessRequest no_program;
  no_program.binary = plain_fd.get();
  EXPECT_EQ(error(std::move(no_program)), "exec: Exec format error");
  ProcessRequest no_directory;
  no_directory.working_directory = scratch_ + "/missing";
  EXPECT_EQ(error(std::move(no_directory)), "chdir: No such file or directory");
  ProcessRequest no_binary;
  no_binary.binary = 1 << 20;
  EXPECT_EQ(error(std::move(no_binary)), "dup of the binary: Bad file descriptor");
  ProcessRequest too_large;
  too_large.environment = {std::string(70'000, 'x')};
  EXPECT_TRUE(absl::StrContains(error(std::move(too_large)), "at most 65536 fit"));
}

TEST_F(SpawnerClientTest, ReportsAMissingInterpreter) {
  std::string script = scratch_ + "/script";
  std::ofstream(script) << "#!/no/such/interpreter\n";
  chmod(script.c_str(), 0700);
  UniqueFd fd = OpenBinary(script);
  ProcessRequest request;
  request.arguments = {"x"};
  request.binary = fd.get();
  EXPECT_EQ(Exit(Spawn(std::move(request))).error, "exec: No such file or directory");
}

TEST_F(SpawnerClientTest, RunsScripts) {
  std::string script = scratch_ + "/script";
  std::ofstream(script) << "#!/bin/sh\necho \"$1\"; exit 5\n";
  chmod(script.c_str(), 0700);
  UniqueFd fd = OpenBinary(script);
  unlink(script.c_str());
  ProcessRequest request;
  request.arguments = {"x", "said"};
  request.binary = fd.get();
  Observed* victim = Spawn(std::move(request));
  EXPECT_EQ(Exit(victim).exit_code, 5) << victim->exit->error << victim->err;
  EXPECT_EQ(victim->out, "said\n");
}

TEST_F(SpawnerClientTest, RunsTheBinaryThatWasOpened) {
  std::string path = scratch_ + "/worker";
  std::filesystem::copy_file(kVictim, path);
  UniqueFd fd = OpenBinary(path);
  auto run = [&] {
    ProcessRequest request;
    request.arguments = {"x", "exit", "42"};
    request.binary = fd.get();
    return Exit(Spawn(std::move(request))).exit_code;
  };
  EXPECT_EQ(run(), 42);
  std::filesystem::copy_file("/bin/true", path + ".new");
  std::filesystem::rename(path + ".new", path);
  EXPECT_EQ(run(), 42);
  std::filesystem::remove(path);
  EXPECT_EQ(run(), 42);
}

TEST_F(SpawnerClientTest, LookTellsARunningProcessFromAStoppedOrEndedOne) {
  Observed* victim = Spawn({"ignore"});
  EXPECT_EQ(client_->Look(victim->id), ProcessCondition::kRuns);  // It may yet.
  RunUntil([&] { return victim->pid != 0 && victim->out == "ready\n"; });
  EXPECT_EQ(client_->Look(victim->id), ProcessCondition::kRuns);
  Signal(victim->pid, SIGSTOP);
  // Not ours to wait for, so all there is to do is to look until the signal has had its effect.
  const absl::Time end = absl::Now() + absl::Milliseconds(kDeadlineMs);
  while (client_->Look(victim->id) == ProcessCondition::kRuns && absl::Now() < end) {
  }
  EXPECT_EQ(client_->Look(victim->id), ProcessCondition::kStopped);
  UniqueFd process = OpenPid(victim->pid);
  Signal(victim->pid, SIGKILL);
  pollfd wait{process.get(), POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, kDeadlineMs), 1);
  EXPECT_EQ(client_->Look(victim->id), ProcessCondition::kEnded);
  Exit(victim);
  EXPECT_EQ(client_->Look(victim->id), ProcessCondition::kEnded);
}

TEST_F(SpawnerClientTest, QueuesMoreThanTheSocketTakes) {
  for (int i = 0; i < 100; ++i) {
    ProcessRequest request;
    request.arguments = {"x", "exit", "3"};
    request.environment = {"BIG=" + std::string(60'000, 'x')};
    Spawn(std::move(request));
  }
  for (const auto& one : observed_) EXPECT_EQ(Exit(one.get()).exit_code, 3) << one->exit->error;
}

TEST_F(SpawnerClientTest, SpawnTimes) {
  std::vector<double> times;
  for (int i = 0; i < 100; ++i) {
    absl::Time start = absl::Now();
    Observed* victim = Spawn({"exit", "0"});
    RunUntil([&] { return victim->pid != 0; });
    times.push_back(absl::ToDoubleMilliseconds(absl::Now() - start));
    Exit(victim);
  }
  std::sort(times.begin(), times.end());
  std::printf("request to started: median %.2f ms, p90 %.2f ms, max %.2f ms\n", times[50],
              times[90], times[99]);
}

}  // namespace
}  // namespace holdfast
