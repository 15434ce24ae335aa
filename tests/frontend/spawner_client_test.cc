// The spawner with real processes. What it has to say is waited for, with a deadline; nothing
// sleeps.
#include "frontend/spawner_client.h"

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
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "frontend/event_loop.h"

namespace holdfast {
namespace {

constexpr char kVictim[] = "tests/testcases/process_victim";
constexpr char kHost[] = "tests/testcases/spawner_host";
constexpr int kDeadlineMs = 30'000;

UniqueFd OpenBinary(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(fd) << path;
  return fd;
}

// A name for a process that is not reused.
UniqueFd OpenPid(pid_t pid) { return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); }

bool AwaitGone(const UniqueFd& pidfd) {
  pollfd wait{pidfd.get(), POLLIN, 0};
  return poll(&wait, 1, kDeadlineMs) == 1;
}

bool IsGone(const UniqueFd& pidfd) {
  pollfd wait{pidfd.get(), POLLIN, 0};
  return poll(&wait, 1, 0) == 1;
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

// What became of one process.
struct Observed {
  ProcessId id = 0;
  pid_t pid = 0;
  std::string out;
  std::string err;
  std::optional<ProcessExit> exit;
  UniqueFd link;
};

class SpawnerClientTest : public testing::Test {
 protected:
  SpawnerClientTest() : victim_(OpenBinary(kVictim)), scratch_(testing::TempDir() + "/s.XXXXXX") {
    EXPECT_NE(mkdtemp(scratch_.data()), nullptr);
    client_ = std::make_unique<SpawnerClient>(&loop_, OpenBinary(kHost).get());
    absl::Status started = client_->Start();
    EXPECT_TRUE(started.ok()) << started;
  }
  ~SpawnerClientTest() override {
    pid_t spawner = client_ == nullptr ? 0 : client_->spawner_pid();
    client_.reset();
    if (spawner != 0) {
      EXPECT_EQ(kill(spawner, 0), -1);  // Gone, and reaped.
    }
    std::filesystem::remove_all(scratch_);
  }

  Observed* Spawn(ProcessRequest request) {
    observed_.push_back(std::make_unique<Observed>());
    Observed* observed = observed_.back().get();
    auto link = MakeSocketPair(SOCK_STREAM);
    EXPECT_TRUE(link.ok());
    observed->link = std::move(link->first);
    if (request.binary < 0) request.binary = victim_.get();
    if (request.working_directory.empty()) request.working_directory = scratch_;
    request.link = std::move(link->second);
    ProcessSpawner::Events events;
    events.on_started = [this, observed](pid_t pid) {
      EXPECT_EQ(observed->pid, 0);
      EXPECT_FALSE(observed->exit);
      observed->pid = pid;
      Changed();
    };
    events.on_output = [this, observed](bool is_stderr, absl::string_view bytes) {
      EXPECT_LE(bytes.size(), 64u * 1024);
      EXPECT_FALSE(observed->exit);
      (is_stderr ? observed->err : observed->out).append(bytes.data(), bytes.size());
      Changed();
    };
    events.on_exit = [this, observed](const ProcessExit& exit) {
      EXPECT_FALSE(observed->exit);
      observed->exit = exit;
      Changed();
    };
    observed->id = client_->Spawn(std::move(request), std::move(events));
    return observed;
  }
  Observed* Spawn(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "victim");
    ProcessRequest request;
    request.arguments = std::move(arguments);
    return Spawn(std::move(request));
  }

  // Runs the loop until `condition` holds, which is looked at after each event.
  bool RunUntil(std::function<bool()> condition) {
    if (condition()) return true;
    condition_ = std::move(condition);
    Clock::TimerId deadline =
        loop_.RunAfter(absl::Milliseconds(kDeadlineMs), [this] { loop_.Stop(); });
    loop_.Run();
    loop_.Cancel(deadline);
    bool held = condition_();
    condition_ = nullptr;
    EXPECT_TRUE(held) << "nothing happened for too long";
    return held;
  }
  void Changed() {
    if (condition_ && condition_()) loop_.Stop();
  }

  const ProcessExit& Exit(Observed* observed) {
    RunUntil([&] { return observed->exit.has_value(); });
    static const ProcessExit never;
    return observed->exit ? *observed->exit : never;
  }
  // The pid of what "grandchild" and "daemon" start, of which they write.
  UniqueFd Grandchild(Observed* observed) {
    RunUntil([&] { return absl::EndsWith(observed->out, "\n"); });
    int pid = 0;
    EXPECT_TRUE(absl::SimpleAtoi(absl::StripSuffix(observed->out, "\n"), &pid)) << observed->out;
    return OpenPid(pid);
  }

  EventLoop loop_;
  UniqueFd victim_;
  std::string scratch_;
  std::unique_ptr<SpawnerClient> client_;
  std::vector<std::unique_ptr<Observed>> observed_;
  std::function<bool()> condition_;
};

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
      "signals not as usual 0\n";
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

TEST_F(SpawnerClientTest, ManySpawnsLeaveNothing) {
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

TEST_F(SpawnerClientTest, QueuesMoreThanTheSocketTakes) {
  for (int i = 0; i < 100; ++i) {
    ProcessRequest request;
    request.arguments = {"x", "exit", "3"};
    request.environment = {"BIG=" + std::string(60'000, 'x')};
    Spawn(std::move(request));
  }
  for (const auto& one : observed_) EXPECT_EQ(Exit(one.get()).exit_code, 3) << one->exit->error;
}

TEST_F(SpawnerClientTest, SpawnerOutOfDescriptorsSaysSo) {
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

TEST_F(SpawnerClientTest, SpawnerIgnoresWhatIsMeantForTheFront) {
  UniqueFd spawner = OpenPid(client_->spawner_pid());
  EXPECT_EQ(getsid(client_->spawner_pid()), client_->spawner_pid());
  // It has come as far as to ignore them.
  EXPECT_TRUE(Exit(Spawn({"exit", "0"})).known);
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE}) {
    kill(client_->spawner_pid(), signal);
  }
  EXPECT_TRUE(Exit(Spawn({"exit", "0"})).known);
  EXPECT_FALSE(IsGone(spawner));
}

TEST_F(SpawnerClientTest, SurvivesItsSpawner) {
  Observed* victim = Spawn({"ignore"});
  Observed* parent = Spawn({"grandchild"});
  UniqueFd grandchild = Grandchild(parent);
  RunUntil([&] { return victim->out == "ready\n"; });
  UniqueFd process = OpenPid(victim->pid);
  pid_t first = client_->spawner_pid();
  kill(first, SIGKILL);
  Observed* doomed = Spawn({"exit", "0"});  // Nobody reads this request, or its answer is not seen.
  EXPECT_FALSE(Exit(victim).known);
  EXPECT_EQ(victim->exit->error, "the spawner process ended");
  EXPECT_TRUE(IsGone(process));
  EXPECT_FALSE(Exit(parent).known);
  Exit(doomed);
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

TEST_F(SpawnerClientTest, ComesBackAfterRepeatedDeaths) {
  for (int death = 0; death < 3; ++death) {
    kill(client_->spawner_pid(), SIGKILL);
    // In the back-off requests fail at once; then one succeeds.
    bool served = false;
    std::function<void()> attempt = [&] {
      ProcessRequest request;
      request.arguments = {"x", "exit", "0"};
      request.working_directory = scratch_;
      request.binary = victim_.get();
      request.link = std::move(MakeSocketPair(SOCK_STREAM)->first);
      ProcessSpawner::Events events;
      events.on_exit = [&](const ProcessExit& exit) {
        served = exit.known;
        Changed();
        if (!served) loop_.RunAfter(absl::Milliseconds(20), attempt);
      };
      client_->Spawn(std::move(request), std::move(events));
    };
    attempt();
    RunUntil([&] { return served; });
  }
}

TEST_F(SpawnerClientTest, ShutdownEndsEverythingInOrder) {
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

TEST_F(SpawnerClientTest, ShutdownDoesNotWaitForAStoppedSpawner) {
  std::filesystem::create_directory(scratch_ + "/owned");
  ASSERT_TRUE(client_->RemoveAtEnd(scratch_ + "/owned").ok());
  Observed* victim = Spawn({"sleep"});
  RunUntil([&] { return victim->pid != 0; });
  kill(client_->spawner_pid(), SIGSTOP);
  bool done = false;
  client_->Shutdown(absl::Milliseconds(1), [&] {
    done = true;
    Changed();
  });
  RunUntil([&] { return done; });
  EXPECT_FALSE(victim->exit->known);
  EXPECT_FALSE(std::filesystem::exists(scratch_ + "/owned"));
}

TEST_F(SpawnerClientTest, DestructionEndsEverything) {
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
TEST_F(SpawnerClientTest, NothingOutlivesAKilledFront) {
  std::string directory = scratch_ + "/run";
  std::filesystem::create_directories(directory + "/deep/er");
  std::ofstream(directory + "/deep/file") << "x";
  ASSERT_EQ(chdir(scratch_.c_str()) == 0 && chdir(getenv("TEST_SRCDIR")) == 0 &&
                chdir(getenv("TEST_WORKSPACE")) == 0,
            true);
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
  kill(front, SIGKILL);
  EXPECT_EQ(waitpid(front, nullptr, 0), front);
  for (const UniqueFd& process : processes) EXPECT_TRUE(AwaitGone(process));
  EXPECT_FALSE(std::filesystem::exists(directory));
  EXPECT_FALSE(std::filesystem::exists(socket_path));
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
