// What is left, and what goes on, when the spawner or the front ends, or is short of something.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "frontend/spawner/spawner_client.h"
#include "tests/frontend/spawner/spawner_fixture.h"

namespace holdfast {
namespace {

using SpawnerEndTest = SpawnerClientTest;

bool AwaitGone(const UniqueFd& pidfd) {
  pollfd wait{pidfd.get(), POLLIN, 0};
  return poll(&wait, 1, kDeadlineMs) == 1;
}

size_t OpenFds(pid_t pid) {
  size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    (void)entry;
    ++count;
  }
  return count;
}

std::string ChildrenOf(pid_t pid) {
  std::string list;
  std::getline(
      std::ifstream("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"),
      list);
  return list;
}

TEST_F(SpawnerEndTest, ManySpawnsLeaveNothing) {
  auto run = [this](int count) {
    for (int i = 0; i < count; ++i) Spawn({i % 2 == 0 ? "exit" : "daemon", "exit"});
    RunUntil([this] {
      return std::all_of(observed_.begin(), observed_.end(),
                         [](const auto& one) { return one->exit.has_value(); });
    });
    for (const auto& one : observed_) EXPECT_TRUE(one->exit->known) << one->exit->error;
    observed_.clear();
  };
  run(1);
  // Handles of the last round are closed in the next one.
  loop_.Post([this] { loop_.Stop(); });
  loop_.Run();
  size_t ours = OpenFds(getpid());
  size_t theirs = OpenFds(client_->spawner_pid());
  run(200);
  EXPECT_EQ(OpenFds(getpid()), ours);
  EXPECT_EQ(OpenFds(client_->spawner_pid()), theirs);
  EXPECT_EQ(ChildrenOf(client_->spawner_pid()), "");
}

TEST_F(SpawnerEndTest, SpawnerOutOfDescriptorsSaysSo) {
  EXPECT_TRUE(Exit(Spawn({"exit", "0"})).known);  // It has come through its own start.
  rlimit before, few;
  ASSERT_EQ(prlimit(client_->spawner_pid(), RLIMIT_NOFILE, nullptr, &before), 0);
  few = before;
  few.rlim_cur = 5;
  ASSERT_EQ(prlimit(client_->spawner_pid(), RLIMIT_NOFILE, &few, nullptr), 0);
  Observed* victim = Spawn({"exit", "0"});
  EXPECT_EQ(Exit(victim).error, "the spawner process is out of file descriptors");
  // Wherever it runs out: of what it receives, of its pipe, or in the child.
  bool started = false;
  for (few.rlim_cur = 4; !started; ++few.rlim_cur) {
    ASSERT_LT(few.rlim_cur, 100u);
    ASSERT_EQ(prlimit(client_->spawner_pid(), RLIMIT_NOFILE, &few, nullptr), 0);
    started = Exit(Spawn({"exit", "0"})).known;
  }
  ASSERT_EQ(prlimit(client_->spawner_pid(), RLIMIT_NOFILE, &before, nullptr), 0);
  EXPECT_TRUE(Exit(Spawn({"exit", "0"})).known);
}

TEST_F(SpawnerEndTest, SpawnerIgnoresWhatIsMeantForTheFront) {
  UniqueFd spawner = OpenPid(client_->spawner_pid());
  EXPECT_EQ(getsid(client_->spawner_pid()), client_->spawner_pid());
  // It has come as far as to ignore them.
  EXPECT_TRUE(Exit(Spawn({"exit", "0"})).known);
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE}) {
    Signal(client_->spawner_pid(), signal);
  }
  EXPECT_TRUE(Exit(Spawn({"exit", "0"})).known);
  EXPECT_FALSE(IsGone(spawner));
}

TEST_F(SpawnerEndTest, SurvivesItsSpawner) {
  Observed* victim = Spawn({"ignore"});
  Observed* parent = Spawn({"grandchild"});
  UniqueFd grandchild = Grandchild(parent);
  RunUntil([&] { return victim->out == "ready\n" && victim->pid != 0 && parent->pid != 0; });
  UniqueFd process = OpenPid(victim->pid);
  pid_t first = client_->spawner_pid();
  Signal(first, SIGKILL);
  Observed* doomed = Spawn({"exit", "0"});  // Nobody reads this request, or its answer is not seen.
  EXPECT_FALSE(Exit(victim).known);
  EXPECT_EQ(victim->exit->error, "the spawner process ended");
  EXPECT_TRUE(IsGone(process));
  EXPECT_FALSE(Exit(parent).known);
  EXPECT_TRUE(Exit(doomed).known || doomed->exit->spawner_lost);
  EXPECT_NE(client_->spawner_pid(), first);
  EXPECT_EQ(Exit(Spawn({"exit", "8"})).exit_code, 8);
  // The group of a worker goes too where the kernel has a safe way to say so (Linux 6.9).
  UniqueFd self = OpenPid(getpid());
  if (syscall(SYS_pidfd_send_signal, self.get(), 0, nullptr, 4UL) == 0 || errno != EINVAL) {
    EXPECT_TRUE(AwaitGone(grandchild));
  } else {
    syscall(SYS_pidfd_send_signal, grandchild.get(), SIGKILL, nullptr, 0);
  }
}

TEST_F(SpawnerEndTest, RequestsWaitForTheNextSpawner) {
  int waited = 0;
  for (int death = 0; death < 4; ++death) {
    Observed* victim = Spawn({"ignore"});
    RunUntil([&] { return victim->pid != 0; });
    Signal(client_->spawner_pid(), SIGKILL);
    EXPECT_FALSE(Exit(victim).known);
    EXPECT_TRUE(victim->exit->spawner_lost);
    // After the first death the next one is there already.
    if (client_->spawner_pid() == 0) ++waited;
    std::vector<Observed*> later;
    for (int i = 0; i < 5; ++i) later.push_back(Spawn({"exit", "8"}));
    for (Observed* one : later) EXPECT_EQ(Exit(one).exit_code, 8) << one->exit->error;
  }
  EXPECT_GT(waited, 0);
}

TEST_F(SpawnerEndTest, RequestThatNoSpawnerReadIsLostWithIt) {
  Signal(client_->spawner_pid(), SIGSTOP);
  Observed* victim = Spawn({"exit", "0"});
  Signal(client_->spawner_pid(), SIGKILL);
  EXPECT_FALSE(Exit(victim).known);
  EXPECT_TRUE(victim->exit->spawner_lost);
  EXPECT_EQ(victim->pid, 0);
}

// The program of its spawner cannot be executed while a test says so.
class NoSpawnerTest : public SpawnerClientTest {
 protected:
  void Start(absl::Duration patience) {
    client_.reset();
    host_ = scratch_ + "/host";
    std::filesystem::copy_file(kHost, host_);
    client_ = std::make_unique<SpawnerClient>(&loop_, OpenBinary(host_).get(),
                                              /*use_cgroups=*/true, patience);
    ASSERT_TRUE(client_->Start().ok());
  }
  // No other comes.
  void LoseSpawner() {
    Observed* victim = Spawn({"ignore"});
    RunUntil([&] { return victim->pid != 0; });
    ASSERT_EQ(chmod(host_.c_str(), 0), 0);
    Signal(client_->spawner_pid(), SIGKILL);
    EXPECT_TRUE(Exit(victim).spawner_lost);
    EXPECT_EQ(client_->spawner_pid(), 0);
  }
  size_t OpenFdsNow() {
    // Handles of the last round are closed in the next one.
    loop_.Post([this] { loop_.Stop(); });
    loop_.Run();
    return OpenFds(getpid());
  }

  std::string host_;
};

TEST_F(NoSpawnerTest, FailsAfterAWhileSaysWhyAndRecovers) {
  Start(/*patience=*/absl::Milliseconds(300));
  LoseSpawner();
  const std::string error =
      "there is no spawner process: cannot start the spawner process: Permission denied";
  Observed* first = Spawn({"exit", "0"});
  Observed* second = Spawn({"exit", "0"});
  EXPECT_EQ(Exit(first).error, error);
  EXPECT_EQ(Exit(second).error, error);
  EXPECT_FALSE(first->exit->spawner_lost);
  // No more patience: it would hide that nothing can be started.
  bool passed = false;
  Observed* at_once = Spawn({"exit", "0"});
  loop_.Post([&] {
    passed = true;
    Changed();
  });
  RunUntil([&] { return passed; });
  EXPECT_TRUE(at_once->exit);
  ASSERT_EQ(chmod(host_.c_str(), 0700), 0);
  std::function<void()> poll_spawner = [&] {
    Changed();
    if (client_->spawner_pid() == 0) loop_.RunAfter(absl::Milliseconds(20), poll_spawner);
  };
  poll_spawner();
  RunUntil([&] { return client_->spawner_pid() != 0; });
  EXPECT_EQ(Exit(Spawn({"exit", "8"})).exit_code, 8);
}

TEST_F(NoSpawnerTest, SpawnersThatNeverStartAnythingAreNoExcuse) {
  Start(/*patience=*/absl::ZeroDuration());
  Signal(client_->spawner_pid(), SIGSTOP);
  Observed* excused = Spawn({"exit", "0"});
  Signal(client_->spawner_pid(), SIGKILL);
  EXPECT_TRUE(Exit(excused).spawner_lost);
  const pid_t next = client_->spawner_pid();
  ASSERT_NE(next, 0);
  bool passed = false;
  loop_.RunAfter(absl::Milliseconds(1), [&] {
    passed = true;
    Changed();
  });
  RunUntil([&] { return passed; });
  Signal(next, SIGSTOP);
  Observed* failed = Spawn({"exit", "0"});
  Signal(next, SIGKILL);
  EXPECT_FALSE(Exit(failed).known);
  EXPECT_FALSE(failed->exit->spawner_lost);
  EXPECT_EQ(failed->exit->error, "the spawner process ended");
}

TEST_F(NoSpawnerTest, WhatWaitsCanBeKilledAndIsBounded) {
  Start(/*patience=*/absl::Hours(1));
  LoseSpawner();
  const size_t before = OpenFdsNow();
  std::vector<Observed*> waiting;
  while (waiting.empty() || !waiting.back()->exit) {
    ASSERT_LT(waiting.size(), 1000u);
    waiting.push_back(Spawn({"exit", "0"}));
    waiting.back()->link.reset();
    EXPECT_FALSE(waiting.back()->exit);  // Never from within the call.
    OpenFdsNow();
  }
  EXPECT_FALSE(waiting.front()->exit);
  waiting.pop_back();
  EXPECT_EQ(OpenFdsNow(), before + 2 * waiting.size());
  for (Observed* one : waiting) client_->Kill(one->id);
  for (Observed* one : waiting) {
    EXPECT_EQ(Exit(one).error, "killed while it waited for a spawner process");
    EXPECT_EQ(one->pid, 0);
  }
  EXPECT_EQ(OpenFdsNow(), before);
}

TEST_F(NoSpawnerTest, ShutdownEndsWhatWaits) {
  Start(/*patience=*/absl::Hours(1));
  LoseSpawner();
  Observed* waiting = Spawn({"exit", "0"});
  bool done = false;
  client_->Shutdown(absl::Seconds(20), [&] {
    done = true;
    Changed();
  });
  EXPECT_FALSE(waiting->exit);
  RunUntil([&] { return done; });
  ASSERT_TRUE(waiting->exit);
  EXPECT_EQ(waiting->exit->error, "the service is shutting down");
}

TEST_F(SpawnerEndTest, ShutdownEndsEverythingInOrder) {
  std::filesystem::create_directory(scratch_ + "/owned");
  ASSERT_TRUE(client_->RemoveAtEnd(scratch_ + "/owned").ok());
  Observed* victim = Spawn({"ignore"});
  RunUntil([&] { return victim->out == "ready\n"; });
  UniqueFd spawner = OpenPid(client_->spawner_pid());
  bool done = false;
  client_->Shutdown(absl::Seconds(20), [&] {
    EXPECT_TRUE(victim->exit);
    done = true;
    client_.reset();  // Allowed.
    Changed();
  });
  EXPECT_FALSE(done);
  Observed* late = Spawn({"exit", "0"});
  RunUntil([&] { return done; });
  EXPECT_TRUE(victim->exit->known);
  EXPECT_EQ(victim->exit->signal, SIGKILL);
  EXPECT_TRUE(late->exit);
  EXPECT_EQ(late->exit->error, "the service is shutting down");
  EXPECT_TRUE(IsGone(spawner));
  EXPECT_FALSE(std::filesystem::exists(scratch_ + "/owned"));
}

TEST_F(SpawnerEndTest, ShutdownDoesNotWaitForAStoppedSpawner) {
  std::filesystem::create_directory(scratch_ + "/owned");
  ASSERT_TRUE(client_->RemoveAtEnd(scratch_ + "/owned").ok());
  Observed* victim = Spawn({"sleep"});
  RunUntil([&] { return victim->pid != 0; });
  Signal(client_->spawner_pid(), SIGSTOP);
  bool done = false;
  client_->Shutdown(absl::Milliseconds(1), [&] {
    done = true;
    Changed();
  });
  RunUntil([&] { return done; });
  EXPECT_FALSE(victim->exit->known);
  EXPECT_FALSE(std::filesystem::exists(scratch_ + "/owned"));
}

TEST_F(SpawnerEndTest, DestructionEndsEverything) {
  Observed* victim = Spawn({"daemon"});
  UniqueFd daemon = Grandchild(victim);
  RunUntil([&] { return victim->pid != 0; });
  UniqueFd process = OpenPid(victim->pid);
  client_.reset();
  EXPECT_TRUE(IsGone(process));
  EXPECT_TRUE(IsGone(daemon));
  EXPECT_FALSE(victim->exit);
}

// The point of it all.
TEST_F(SpawnerEndTest, NothingOutlivesAKilledFront) {
  std::string directory = scratch_ + "/run";
  std::filesystem::create_directories(directory + "/deep/er");
  std::ofstream(directory + "/deep/file") << "x";
  std::string socket_path = scratch_ + "/socket";
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  UniqueFd root(open(scratch_.c_str(), O_PATH | O_CLOEXEC));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/socket", root.get());
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);

  auto pipe = MakePipe();
  ASSERT_TRUE(pipe.ok());
  std::string host = std::filesystem::absolute(kHost), victim = std::filesystem::absolute(kVictim);
  pid_t front = fork();
  if (front == 0) {
    dup2(pipe->second.get(), STDOUT_FILENO);
    execl(host.c_str(), host.c_str(), victim.c_str(), directory.c_str(), socket_path.c_str(),
          nullptr);
    _exit(1);
  }
  pipe->second.reset();
  std::string report;
  while (!absl::StrContains(report, "ready\n")) {
    pollfd wait{pipe->first.get(), POLLIN, 0};
    ASSERT_EQ(poll(&wait, 1, kDeadlineMs), 1) << report;
    char bytes[256];
    ssize_t size = read(pipe->first.get(), bytes, sizeof(bytes));
    ASSERT_GT(size, 0) << report;
    report.append(bytes, static_cast<size_t>(size));
  }
  // The spawner, three workers and two grandchildren.
  std::vector<UniqueFd> processes;
  for (absl::string_view line : absl::StrSplit(report, '\n')) {
    int pid = 0;
    if (!absl::SimpleAtoi(line, &pid)) continue;
    processes.push_back(OpenPid(pid));
    EXPECT_TRUE(processes.back()) << pid;
  }
  EXPECT_EQ(processes.size(), 6u) << report;
  EXPECT_TRUE(std::filesystem::exists(directory));
  EXPECT_TRUE(std::filesystem::exists(socket_path));
  if (client_->mechanisms().processes != "watchdog") {
    EXPECT_FALSE(CgroupsOfService(front).empty());
  }
  Signal(front, SIGKILL);
  EXPECT_EQ(waitpid(front, nullptr, 0), front);
  for (const UniqueFd& process : processes) EXPECT_TRUE(AwaitGone(process));
  EXPECT_FALSE(std::filesystem::exists(directory));
  EXPECT_FALSE(std::filesystem::exists(socket_path));
  EXPECT_THAT(CgroupsOfService(front), testing::IsEmpty());
}

TEST_F(SpawnerEndTest, ReplacesASpawnerThatHangs) {
  Observed* victim = Spawn({"sleep"}, {1 << 30, 0, 100});
  RunUntil([&] { return victim->pid != 0; });
  UniqueFd process = OpenPid(victim->pid);
  const pid_t first = client_->spawner_pid();
  Signal(first, SIGSTOP);
  Observed* waits = Spawn({"exit", "0"});
  EXPECT_FALSE(Exit(victim).known);
  EXPECT_EQ(victim->exit->error, "the spawner process ended");
  EXPECT_TRUE(IsGone(process));
  EXPECT_FALSE(Exit(waits).known);
  EXPECT_NE(client_->spawner_pid(), first);
  EXPECT_EQ(Exit(Spawn({"exit", "8"})).exit_code, 8);
}

TEST_F(SpawnerEndTest, ForgivesASpawnerThatWasStoppedForAMoment) {
  const pid_t first = client_->spawner_pid();
  Signal(first, SIGSTOP);
  Observed* waits = Spawn({"exit", "8"});
  // Long enough for pings to wait, too short for a verdict; then all answers come at once.
  loop_.RunAfter(absl::Seconds(3), [&] { Signal(first, SIGCONT); });
  EXPECT_EQ(Exit(waits).exit_code, 8);
  // As long as it takes to find a spawner silent.
  bool passed = false;
  loop_.RunAfter(absl::Seconds(7), [&] {
    passed = true;
    Changed();
  });
  RunUntil([&] { return passed; });
  EXPECT_EQ(client_->spawner_pid(), first);
}

TEST_F(SpawnerEndTest, KillsAStoppedProcess) {
  Observed* victim = SpawnReady({"ignore"}, {});
  Signal(victim->pid, SIGSTOP);
  client_->Kill(victim->id);
  EXPECT_EQ(Exit(victim).signal, SIGKILL);
}

TEST_F(SpawnerEndTest, FrontOutOfDescriptorsFailsCleanly) {
  EXPECT_TRUE(Exit(Spawn({"exit", "0"})).known);
  rlimit before, few;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // One more each time, so that it runs out at each of the places where it can.
  int failures = 0;
  for (few = before, few.rlim_cur = 11; !observed_.back()->exit->known || failures == 0;
       ++few.rlim_cur) {
    ASSERT_LT(few.rlim_cur, 200u);
    ProcessRequest request;
    request.arguments = {"x", "exit", "0"};
    request.binary = victim_.get();
    request.working_directory = scratch_;
    auto link = MakeSocketPair(SOCK_STREAM);
    ASSERT_TRUE(link.ok());
    request.link = std::move(link->second);
    observed_.push_back(std::make_unique<Observed>());
    Observed* victim = observed_.back().get();
    ProcessSpawner::Events events;
    events.on_exit = [this, victim](const ProcessExit& exit) {
      EXPECT_FALSE(victim->exit);
      victim->exit = exit;
      Changed();
    };
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    client_->Spawn(std::move(request), std::move(events));
    EXPECT_FALSE(victim->exit);  // Never from within the call.
    Exit(victim);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    if (victim->exit->known) continue;
    ++failures;
    EXPECT_TRUE(absl::StrContains(victim->exit->error, "Too many open files"))
        << victim->exit->error;
  }
  EXPECT_EQ(Exit(Spawn({"exit", "8"})).exit_code, 8);
}

TEST_F(SpawnerEndTest, RemovesCgroupsOfAKilledSpawner) {
  if (client_->mechanisms().processes == "watchdog") GTEST_SKIP() << "no cgroup can be made here";
  Observed* victim = Spawn({"daemon"}, {1 << 30, 0, 100});
  UniqueFd daemon = Grandchild(victim);
  RunUntil([&] { return victim->pid != 0; });
  EXPECT_FALSE(CgroupsOfService(getpid()).empty());
  Signal(client_->spawner_pid(), SIGKILL);
  EXPECT_FALSE(Exit(victim).known);
  // What a later process needs is as before; and by now the daemon has been found by its cgroup.
  EXPECT_EQ(Exit(Spawn({"exit", "8"}, {1 << 30, 0, 100})).exit_code, 8);
  EXPECT_TRUE(AwaitGone(daemon));
}

}  // namespace
}  // namespace holdfast
