// Finding cgroups in the kernel's texts, reading their evidence, and the life of a service's tree.
#include "frontend/spawner/cgroup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "frontend/spawner/cgroup_tree.h"
#include "tests/frontend/spawner/spawner_fixture.h"

namespace holdfast {
namespace {

constexpr char kMountsV1[] =
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
    "39 31 0:36 /box /sys/fs/cgroup/p\\040ids rw - cgroup cgroup rw,cpu,pids\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
constexpr char kMountsV2[] =
    "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

struct FindCase {
  const char* name;
  const char* cgroup;
  const char* mountinfo;
  CgroupPlace memory;
  CgroupPlace pids;
};

const FindCase kFindCases[] = {
    {"Version1",
     "9:name=systemd:/\n8:cpu,pids:/box/a\n4:memory:/jobs/x:y\n0::/\n",
     kMountsV1,
     {1, "/sys/fs/cgroup/memory/jobs/x:y"},
     {1, "/sys/fs/cgroup/p ids/a"}},
    {"RootOfTheMount",
     "8:pids:/box\n4:memory:/\n",
     kMountsV1,
     {1, "/sys/fs/cgroup/memory"},
     {1, "/sys/fs/cgroup/p ids"}},
    {"OutsideOfTheMount", "8:pids:/boxer/a\n4:memory:/../x\n", kMountsV1, {}, {}},
    {"Version2",
     "0::/user.slice/a.scope\n",
     kMountsV2,
     {2, "/sys/fs/cgroup/user.slice/a.scope"},
     {2, "/sys/fs/cgroup/user.slice/a.scope"}},
    {"Mixed",
     "4:memory:/m\n0::/u\n",
     kMountsV1,
     {1, "/sys/fs/cgroup/memory/m"},
     {2, "/sys/fs/cgroup/unified/u"}},
    {"NotMounted", "8:pids:/\n0::/\n", "", {}, {}},
    {"Nothing", "", kMountsV1, {}, {}},
    {"Nonsense", "::::\n\n0\n0:", "- - -\n a - b\n", {}, {}},
};

class FindCgroupsTest : public testing::TestWithParam<FindCase> {};

INSTANTIATE_TEST_SUITE_P(Texts, FindCgroupsTest, testing::ValuesIn(kFindCases),
                         [](const auto& info) { return info.param.name; });

TEST_P(FindCgroupsTest, Finds) {
  const Cgroups found = FindCgroups(GetParam().cgroup, GetParam().mountinfo);
  EXPECT_EQ(found.memory.version, GetParam().memory.version);
  EXPECT_EQ(found.memory.directory, GetParam().memory.directory);
  EXPECT_EQ(found.pids.version, GetParam().pids.version);
  EXPECT_EQ(found.pids.directory, GetParam().pids.directory);
}

TEST(WorkerCgroups, AreForTheLimitsThatAreSet) {
  const Cgroups tree{{1, "/m/t"}, {2, "/u/t"}};
  const Cgroups both = WorkerCgroups(tree, 7, {1, 0, 1});
  EXPECT_EQ(both.Directories(), (std::vector<std::string>{"/m/t/7", "/u/t/7"}));
  EXPECT_EQ(WorkerCgroups(tree, 7, {0, 1, 1}).Directories(), (std::vector<std::string>{"/u/t/7"}));
  EXPECT_EQ(WorkerCgroups(tree, 7, {1, 0, 0}).Directories(), (std::vector<std::string>{"/m/t/7"}));
  EXPECT_FALSE(WorkerCgroups(tree, 7, {0, 1, 0}));
  EXPECT_FALSE(WorkerCgroups({}, 7, {1, 1, 1}));
  const Cgroups shared = Cgroups{{2, "/u"}, {2, "/u"}}.Below("x");
  EXPECT_EQ(shared.Directories(), (std::vector<std::string>{"/u/x"}));
}

struct EvidenceCase {
  const char* name;
  int version;
  // Of memory.oom_control or memory.events, the peak and the limit in MiB (peak 0: no such file),
  // and pids.events.
  const char* events;
  int peak;
  int limit;
  const char* pids_events;
  bool memory_limit_hit;
  bool process_limit_hit;
};

const EvidenceCase kEvidenceCases[] = {
    {"V1Killed", 1, "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", 64, 64, "max 0\n", true,
     false},
    {"V1Not", 1, "oom_kill_disable 0\nunder_oom 1\noom_kill 0\n", 64, 64, "max 3\n", false, true},
    {"V1OfTheMachine", 1, "oom_kill 2\n", 40, 64, "", false, false},
    {"V2Killed", 2, "low 0\nhigh 0\nmax 9\noom 1\noom_kill 12\noom_group_kill 1\n", 63, 64, "",
     true, false},
    {"V2Group", 2, "max 9\noom 1\noom_kill 0\noom_group_kill 1\n", 64, 64, "max 12\n", false, true},
    {"V2OldKernel", 2, "oom_kill 1\n", 0, 64, "max 0\n", true, false},
    {"V2OfTheMachine", 2, "oom_kill 1\n", 40, 64, "max 0\n", false, false},
    {"Empty", 2, "", 0, 64, "", false, false},
};

class EvidenceTest : public testing::TestWithParam<EvidenceCase> {};

INSTANTIATE_TEST_SUITE_P(Files, EvidenceTest, testing::ValuesIn(kEvidenceCases),
                         [](const auto& info) { return info.param.name; });

TEST_P(EvidenceTest, Reads) {
  const EvidenceCase& given = GetParam();
  const std::string directory = testing::TempDir() + "/evidence." + given.name;
  std::filesystem::create_directories(directory);
  const bool first = given.version == 1;
  const std::string peak = first ? "/memory.max_usage_in_bytes" : "/memory.peak";
  std::ofstream(directory + (first ? "/memory.oom_control" : "/memory.events")) << given.events;
  std::ofstream(directory + (first ? "/memory.limit_in_bytes" : "/memory.max"))
      << (given.limit << 20) << "\n";
  if (given.peak != 0) std::ofstream(directory + peak) << (given.peak << 20) << "\n";
  std::ofstream(directory + "/pids.events") << given.pids_events;
  const LimitEvidence read =
      ReadLimitEvidence({{given.version, directory}, {given.version, directory}});
  EXPECT_EQ(read.memory_limit_hit, given.memory_limit_hit);
  EXPECT_EQ(read.process_limit_hit, given.process_limit_hit);
  if (given.memory_limit_hit) {
    EXPECT_EQ(read.peak_memory_bytes, given.peak << 20);
  }
  std::filesystem::remove_all(directory);
}

// A child process, which runs `work` and exits with 0 if that is true.
class Child {
 public:
  explicit Child(const std::function<bool()>& work) : pid_(fork()) {
    if (pid_ == 0) _exit(work() ? 0 : 1);
  }
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  int Wait() {
    int status = -1;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_;
};

int full_fifo = -1;

// The kernel does so with a limit on memory, whatever the signal; here a pipe that is full does.
TEST(CgroupFile, WriteThatASignalInterruptsIsTriedAgain) {
  const std::string name = absl::StrCat("fifo-", getpid());
  const std::string path = absl::StrCat(testing::TempDir(), "/", name);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const UniqueFd fifo(open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  const std::string page(4096, 'x');
  while (write(fifo.get(), page.data(), page.size()) > 0) {
  }
  full_fifo = fifo.get();
  struct sigaction drain {};  // Without SA_RESTART.
  drain.sa_handler = [](int) {
    char bytes[4096];
    if (read(full_fifo, bytes, sizeof(bytes)) < 0) abort();
  };
  struct sigaction before {};
  sigaction(SIGALRM, &drain, &before);
  const itimerval soon{{0, 0}, {0, 20'000}};
  setitimer(ITIMER_REAL, &soon, nullptr);
  const absl::Status written = WriteCgroupFile(testing::TempDir(), name, "5");
  EXPECT_TRUE(written.ok()) << written;
  sigaction(SIGALRM, &before, nullptr);
  std::filesystem::remove(path);
}

TEST(CgroupTree, OfADeadServiceIsRemovedAndThatOfALiveOneStays) {
  const Cgroups own = OwnCgroups();
  const Cgroups tree = MakeCgroupTree(own);
  if (!tree) GTEST_SKIP() << "no cgroup can be made here";
  Child live([] { return pause() == 0; });
  Child dead([] { return true; });
  const pid_t dead_pid = dead.pid();
  dead.Wait();
  auto make = [&](pid_t pid) {
    for (const std::string& directory : own.Directories()) {
      std::filesystem::create_directories(absl::StrCat(directory, "/holdfast-", pid, "/5"));
    }
  };
  make(live.pid());
  make(dead_pid);
  EXPECT_FALSE(CgroupsOfService(dead_pid).empty());
  RemoveStaleCgroupTrees(own);
  EXPECT_TRUE(CgroupsOfService(dead_pid).empty());
  const size_t kept = own.Directories().size();
  EXPECT_EQ(CgroupsOfService(live.pid()).size(), 2 * kept);
  for (const std::string& directory : own.Directories()) {
    const std::string of_live = absl::StrCat(directory, "/holdfast-", live.pid());
    rmdir((of_live + "/5").c_str());
    rmdir(of_live.c_str());
  }
  RemoveCgroupTree(tree, absl::Seconds(10));
  EXPECT_TRUE(CgroupsOfService(getpid()).empty());
}

TEST(CgroupTree, IsNotMadeWhereItCannotBe) {
  const std::string directory = testing::TempDir() + "/no_cgroup";
  std::filesystem::create_directories(directory);
  for (int version : {1, 2}) {
    EXPECT_FALSE(MakeCgroupTree({{version, directory}, {version, directory}}));
    EXPECT_TRUE(std::filesystem::is_empty(directory));
    EXPECT_FALSE(MakeCgroupTree({{version, "/no/such"}, {}}));
  }
  std::filesystem::remove(directory);
}

// What version 2 does without the controllers that matter: any other will do.
class Version2Test : public testing::Test {
 protected:
  void SetUp() override {
    const std::string mounts = ReadCgroupFile("/proc/self", "mountinfo");
    for (absl::string_view line : absl::StrSplit(ReadCgroupFile("/proc/self", "cgroup"), '\n')) {
      if (absl::StartsWith(line, "0::")) root_ = FindCgroups(line, mounts).pids.directory;
    }
    const std::string offered = ReadCgroupFile(root_, "cgroup.controllers");
    controller_ = offered.substr(0, offered.find_first_of(" \n"));
    const std::string enabled = ReadCgroupFile(root_, "cgroup.subtree_control");
    if (root_.empty() || controller_.empty() ||
        !WriteCgroupFile(root_, "cgroup.subtree_control", "+" + controller_).ok()) {
      GTEST_SKIP() << "no cgroup of version 2 with a controller can be made here";
    }
    disable_ = !absl::StrContains(enabled, controller_);
    scope_ = absl::StrCat(root_, "/holdfast-test-", getpid());
    leaf_ = scope_ + "/service";
    ASSERT_TRUE(std::filesystem::create_directory(scope_));
  }
  void TearDown() override {
    if (scope_.empty()) return;
    EXPECT_EQ(rmdir(scope_.c_str()), 0);
    if (disable_) DisableControllers(root_, controller_);
  }
  bool Enter(const std::string& directory) {
    return WriteCgroupFile(directory, "cgroup.procs", "0").ok();
  }
  bool IsIn(const std::string& directory) {
    return absl::StrContains(ReadCgroupFile(directory, "cgroup.procs"),
                             absl::StrCat(getpid(), "\n"));
  }
  bool IsEnabled() {
    return absl::StrContains(ReadCgroupFile(scope_, "cgroup.subtree_control"), controller_);
  }

  std::string root_;
  std::string controller_;
  std::string scope_;
  std::string leaf_;
  bool disable_ = false;
};

TEST_F(Version2Test, ServiceMovesIntoALeafAndBack) {
  Child service([this] {
    return Enter(scope_) && EnableControllers(scope_, controller_, leaf_) && IsEnabled() &&
           IsIn(leaf_) && (DisableControllers(scope_, controller_), !IsEnabled()) &&
           Enter(scope_) && rmdir(leaf_.c_str()) == 0;
  });
  EXPECT_EQ(service.Wait(), 0);
}

TEST_F(Version2Test, ServiceThatIsNotAloneStaysWhereItIs) {
  auto ready = MakePipe();
  ASSERT_TRUE(ready.ok());
  Child neighbour(
      [&] { return Enter(scope_) && write(ready->second.get(), "x", 1) == 1 && pause() == 0; });
  pollfd wait{ready->first.get(), POLLIN, 0};
  ASSERT_EQ(poll(&wait, 1, kDeadlineMs), 1);
  Child service([this] {
    return Enter(scope_) && !EnableControllers(scope_, controller_, leaf_) && !IsEnabled() &&
           IsIn(scope_) && !std::filesystem::exists(leaf_);
  });
  EXPECT_EQ(service.Wait(), 0);
  kill(neighbour.pid(), SIGKILL);
  EXPECT_EQ(neighbour.Wait(), SIGKILL);
}

TEST_F(Version2Test, KillsAWholeCgroup) {
  const Cgroups worker{{}, {2, leaf_}};
  ASSERT_TRUE(std::filesystem::create_directory(leaf_));
  auto ready = MakePipe();
  ASSERT_TRUE(ready.ok());
  Child victim([&] {
    return Enter(leaf_) && setsid() > 0 && write(ready->second.get(), "x", 1) == 1 && pause() == 0;
  });
  pollfd wait{ready->first.get(), POLLIN, 0};
  ASSERT_EQ(poll(&wait, 1, kDeadlineMs), 1);
  EXPECT_EQ(ListCgroup(worker), (std::vector<pid_t>{victim.pid()}));
  EXPECT_FALSE(RemoveCgroups(worker));
  KillCgroups(worker);
  EXPECT_EQ(victim.Wait(), SIGKILL);
  EXPECT_TRUE(RemoveCgroups(worker));
}

}  // namespace
}  // namespace holdfast
