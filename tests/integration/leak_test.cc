// A service that has done much holds no more than one that has done little.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/base/config.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr char kExampleWorker[] = "worker/example/example_worker";
constexpr char kMisbehavingWorker[] = "tests/testcases/misbehaving_worker";
constexpr char kUri[] = "benchmark://test/program";
// Of one phase below: so much may be the allocator's way of things. A sanitizer's keeps what was
// freed; LeakSanitizer looks for leaks when the service ends.
#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
constexpr int64_t kMaxGrowthBytes = int64_t{1} << 30;
#else
constexpr int64_t kMaxGrowthBytes = 20 << 20;
#endif

int CountEntries(const std::string& directory) {
  return static_cast<int>(
      std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

// The pools of gRPC and libuv grow by some when the machine is busy, and may stay so.
constexpr int kPoolThreads = 8;

// What a service holds of what it could leak.
struct Holdings {
  int front_fds = 0;
  int front_threads = 0;
  int spawner_fds = 0;
  int workers = 0;
  int scratch_directories = 0;

  bool IsNoMoreThan(const Holdings& other) const {
    return front_fds <= other.front_fds && front_threads <= other.front_threads + kPoolThreads &&
           spawner_fds <= other.spawner_fds && workers == other.workers &&
           scratch_directories == other.scratch_directories;
  }
  std::string ToString() const {
    return absl::StrCat(front_fds, " fds and ", front_threads, " threads of the front, ",
                        spawner_fds, " fds of the spawner, ", workers, " workers, ",
                        scratch_directories, " scratch directories");
  }
};
std::ostream& operator<<(std::ostream& out, const Holdings& holdings) {
  return out << holdings.ToString();
}

class LeakTest : public testing::Test {
 protected:
  explicit LeakTest(const std::string& worker = kExampleWorker,
                    const std::vector<std::string>& flags = {})
      : service_(worker, flags) {}

  Holdings Now() const {
    Holdings now;
    now.front_fds = CountEntries(absl::StrCat("/proc/", service_.pid(), "/fd"));
    now.front_threads = CountEntries(absl::StrCat("/proc/", service_.pid(), "/task"));
    now.spawner_fds = CountEntries(absl::StrCat("/proc/", service_.spawner(), "/fd"));
    now.workers = static_cast<int>(service_.workers().size());
    for (const auto& entry : fs::directory_iterator(service_.directory())) {
      if (absl::StartsWith(entry.path().filename().string(), kScratchPrefix)) {
        now.scratch_directories += CountEntries(entry.path());
      }
    }
    return now;
  }
  int64_t ResidentBytes() const {
    std::ifstream status(absl::StrCat("/proc/", service_.pid(), "/status"));
    std::string line;
    while (std::getline(status, line)) {
      std::istringstream fields(line);
      std::string name;
      int64_t kilobytes = 0;
      if (fields >> name >> kilobytes && name == "VmRSS:") return kilobytes << 10;
    }
    return 0;
  }
  // Waits until there are as many idle workers as there should be, and none else: those that the
  // demand has called for go when it is over. One that is still starting has its descriptors yet to
  // come.
  void AwaitRest() {
    EXPECT_TRUE(WaitUntil(
        [&] {
          if (service_.Metric("holdfast_workers{state=\"idle\"}") != kWarmWorkers) return false;
          const Holdings now = Now();
          return now.workers == kWarmWorkers && now.scratch_directories == kWarmWorkers;
        },
        absl::Minutes(2)))
        << Now();
  }
  // Does `live` so many times, after a tenth of that as a warm-up, and checks what is left.
  void Repeat(int times, const std::string& what, const std::function<void()>& live) {
    for (int i = 0; i < times / 10; ++i) live();
    AwaitRest();
    const Holdings before = Now();
    const int64_t resident = ResidentBytes();
    const absl::Time start = absl::Now();
    for (int i = 0; i < times && !HasFailure(); ++i) live();
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    const double growth = static_cast<double>(ResidentBytes() - resident) / (1 << 20);
    std::cout << times << " " << what << ": " << times / seconds
              << " per second; resident memory of the front grew by " << growth << " MiB to "
              << static_cast<double>(ResidentBytes()) / (1 << 20) << " MiB\n";
    AwaitRest();
    EXPECT_TRUE(WaitUntil([&] { return Now().IsNoMoreThan(before); }))
        << "before: " << before << "\nafter:  " << Now();
    EXPECT_LT(ResidentBytes() - resident, kMaxGrowthBytes);
  }

  static constexpr int kWarmWorkers = 2;
  ServiceProcess service_;
};

TEST_F(LeakTest, ThousandSessionsOneAfterAnotherLeaveNothing) {
  const auto client = service_.NewClient();
  ASSERT_TRUE(AddBenchmark(client.get(), kUri, "+.-T<>").ok());
  Repeat(1000, "sessions started, stepped and ended", [&] {
    TestSession session(service_, kUri, "+.-T<>");
    for (const int64_t action : {2, 0, 3}) EXPECT_TRUE(session.Step({action}, {0}).ok());
    EXPECT_EQ(session.End(), 0);
  });
  EXPECT_EQ(service_.Terminate(), 0);
}

TEST_F(LeakTest, ForksLeaveNothing) {
  Repeat(200, "forks stepped and ended", [&] {
    TestSession session(service_, kUri, "+.-T<>");
    EXPECT_TRUE(session.Step({2}, {0}).ok());
    TestSession fork = session.Fork();
    EXPECT_TRUE(fork.Step({0}, {0}).ok());
    EXPECT_EQ(session.End(), 1);
    EXPECT_EQ(fork.End(), 0);
  });
  EXPECT_EQ(service_.Terminate(), 0);
}

class CrashLeakTest : public LeakTest {
 protected:
  CrashLeakTest() : LeakTest(kMisbehavingWorker, {"--step_retries=0"}) {}

  int64_t FindAction(TestSession* session, const std::string& name) {
    compiler_gym::GetSpacesReply spaces;
    grpc::ClientContext context;
    EXPECT_TRUE(session->stub().GetSpaces(&context, {}, &spaces).ok());
    const auto& names = spaces.action_space_list(0).space().named_discrete().name();
    return std::find(names.begin(), names.end(), name) - names.begin();
  }
};

TEST_F(CrashLeakTest, SessionsThatCrashLeaveNothing) {
  int64_t crash = -1;
  int64_t add_one = -1;
  Repeat(200, "sessions that crashed and were recovered", [&] {
    TestSession session(service_, kUri, "ok");
    if (crash < 0) {
      crash = FindAction(&session, "raise_sigkill");
      add_one = FindAction(&session, "add_one");
    }
    EXPECT_TRUE(session.Step({add_one}).ok());
    EXPECT_EQ(session.Step({add_one, crash}).error_code(), grpc::StatusCode::ABORTED);
    EXPECT_EQ(session.Observe(0).int64_value(), 1);
    EXPECT_EQ(session.End(), 0);
  });
  EXPECT_EQ(service_.Terminate(), 0);
}

}  // namespace
}  // namespace holdfast
