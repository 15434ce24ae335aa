// A worker has few threads and descriptors, however many CPUs the machine has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/bench/many_cpus.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

constexpr char kExampleWorker[] = "worker/example/example_worker";
constexpr char kUri[] = "benchmark://test/program";
constexpr size_t kMaxWorkerThreads = 10;
constexpr size_t kMaxWorkerDescriptors = 12;
constexpr size_t kThreadsOf64Cpus = 32;  // gRPC's pool alone.

RunningProgram::Surroundings ManyCpus() { return {"", {ManyCpusVariable()}}; }

std::vector<std::string> ThreadsOf(pid_t pid) {
  std::vector<std::string> names;
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"))) {
    names.emplace_back(absl::StripAsciiWhitespace(Slurp(task.path() / "comm")));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> DescriptorsOf(pid_t pid) {
  std::vector<std::string> targets;
  for (const auto& fd : std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/fd"))) {
    std::error_code error;  // It may be closed meanwhile.
    targets.push_back(std::filesystem::read_symlink(fd.path(), error).string());
  }
  return targets;
}

void StartSessionOf(const std::string& address) {
  const auto client = ConnectTo(address);
  int64_t id = 0;
  ASSERT_TRUE(AddBenchmark(client.get(), kUri, "+-").ok());
  ASSERT_TRUE(StartSession(client.get(), kUri, 0, &id).ok());
}

void ExpectFewThreads(pid_t worker) {
  EXPECT_THAT(Slurp(absl::StrCat("/proc/", worker, "/maps")),
              testing::HasSubstr("libmany_cpus.so"));  // It does believe in them.
  const std::vector<std::string> threads = ThreadsOf(worker);
  EXPECT_LE(threads.size(), kMaxWorkerThreads) << absl::StrJoin(threads, "\n");
}

TEST(WorkerThreadsTest, AreFewOnAMachineOfManyCpus) {
  const LoneWorker worker(kExampleWorker, ManyCpus());
  StartSessionOf(worker.address());
  ExpectFewThreads(worker.pid());
}

// Its connection is not made as that of the above.
TEST(WorkerThreadsTest, AreFewInTheWorkerOfAFront) {
  const ManyCpusWorker script(kExampleWorker);
  const ServiceProcess service(
      "frontend/holdfast", {"--worker=" + script.path(), "--warm_workers=1", "--max_workers=1"});
  StartSessionOf(service.address());
  const std::vector<pid_t> workers = service.workers();
  ASSERT_EQ(workers.size(), 1);
  ExpectFewThreads(workers.front());
  // Unlike the above, it inherits none of the test's.
  const std::vector<std::string> descriptors = DescriptorsOf(workers.front());
  EXPECT_LE(descriptors.size(), kMaxWorkerDescriptors) << absl::StrJoin(descriptors, "\n");
}

// The front may use the machine. So it shows that the above is no failure to pretend.
TEST(WorkerThreadsTest, AreManyInTheFrontOfThatMachine) {
  AnnouncedService service({RunfilePath(kExampleWorker)}, ManyCpus());
  EXPECT_TRUE(GetSpaces(ConnectTo(service.address()).get()).ok());
  EXPECT_GE(ThreadsOf(service.pid()).size(), kThreadsOf64Cpus);
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0) << service.err();
}

}  // namespace
}  // namespace holdfast
