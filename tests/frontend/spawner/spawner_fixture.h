// Real processes under a SpawnerClient, and ways to wait for what becomes of them: with a deadline,
// without sleeping.
#ifndef HOLDFAST_TESTS_FRONTEND_SPAWNER_SPAWNER_FIXTURE_H_
#define HOLDFAST_TESTS_FRONTEND_SPAWNER_SPAWNER_FIXTURE_H_

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "common/unique_fd.h"
#include "frontend/event_loop.h"
#include "frontend/spawner/cgroup.h"
#include "frontend/spawner/spawner_client.h"

namespace holdfast {

inline constexpr char kVictim[] = "tests/testcases/process_victim";
inline constexpr char kHost[] = "tests/testcases/spawner_host";
inline constexpr int kDeadlineMs = 30'000;

inline UniqueFd OpenBinary(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(fd) << path;
  return fd;
}

// A name for a process that is not reused.
inline UniqueFd OpenPid(pid_t pid) {
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

inline bool IsGone(const UniqueFd& pidfd) {
  pollfd wait{pidfd.get(), POLLIN, 0};
  return poll(&wait, 1, 0) == 1;
}

inline Cgroups OwnCgroups() {
  return FindCgroups(ReadCgroupFile("/proc/self", "cgroup"),
                     ReadCgroupFile("/proc/self", "mountinfo"));
}

// Not for 0, which would mean ourselves.
inline void Signal(pid_t pid, int signal) {
  ASSERT_GT(pid, 0);
  EXPECT_EQ(kill(pid, signal), 0);
}

// All directories that the service with this pid has in cgroup file systems.
inline std::vector<std::string> CgroupsOfService(pid_t pid) {
  std::vector<std::string> found;
  for (const std::string& own : OwnCgroups().Directories()) {
    const std::filesystem::path tree = own + "/holdfast-" + std::to_string(pid);
    if (!std::filesystem::exists(tree)) continue;
    found.push_back(tree);
    for (const auto& entry : std::filesystem::directory_iterator(tree)) {
      if (entry.is_directory()) found.push_back(entry.path());
    }
  }
  return found;
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
  explicit SpawnerClientTest(bool use_cgroups = true)
      : victim_(OpenBinary(kVictim)), scratch_(testing::TempDir() + "/s.XXXXXX") {
    EXPECT_NE(mkdtemp(scratch_.data()), nullptr);
    client_ = std::make_unique<SpawnerClient>(&loop_, OpenBinary(kHost).get(), use_cgroups);
    absl::Status started = client_->Start();
    EXPECT_TRUE(started.ok()) << started;
  }
  ~SpawnerClientTest() override {
    pid_t spawner = client_ == nullptr ? 0 : client_->spawner_pid();
    client_.reset();
    if (spawner != 0) {
      EXPECT_EQ(kill(spawner, 0), -1);  // Gone, and reaped.
    }
    EXPECT_THAT(CgroupsOfService(getpid()), testing::IsEmpty());
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

  Observed* Spawn(std::vector<std::string> arguments, const ProcessLimits& limits) {
    arguments.insert(arguments.begin(), "victim");
    ProcessRequest request;
    request.arguments = std::move(arguments);
    request.limits = limits;
    return Spawn(std::move(request));
  }
  // Until it has started and has written "ready": who of the two is heard first is open.
  Observed* SpawnReady(std::vector<std::string> arguments, const ProcessLimits& limits) {
    Observed* observed = Spawn(std::move(arguments), limits);
    RunUntil([&] { return observed->pid != 0 && absl::EndsWith(observed->out, "ready\n"); });
    return observed;
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

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_FRONTEND_SPAWNER_SPAWNER_FIXTURE_H_
