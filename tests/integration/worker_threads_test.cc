// A worker has few threads, however many CPUs the machine has.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

constexpr char kExampleWorker[] = "worker/example/example_worker";
constexpr char kUri[] = "benchmark://test/program";
constexpr size_t kMaxWorkerThreads = 10;
constexpr size_t kThreadsOf64Cpus = 32;  // gRPC's pool alone.

RunningProgram::Surroundings ManyCpus() {
  return {"", {"LD_PRELOAD=" + RunfilePath("tests/integration/libmany_cpus.so")}};
}

std::vector<std::string> ThreadsOf(pid_t pid) {
  std::vector<std::string> names;
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"))) {
    names.emplace_back(absl::StripAsciiWhitespace(Slurp(task.path() / "comm")));
  }
  std::sort(names.begin(), names.end());
  return names;
}

TEST(WorkerThreadsTest, AreFewOnAMachineOfManyCpus) {
  const LoneWorker worker(kExampleWorker, ManyCpus());
  const auto client = ConnectTo(worker.address());
  int64_t id = 0;
  ASSERT_TRUE(AddBenchmark(client.get(), kUri, "+-").ok());
  ASSERT_TRUE(StartSession(client.get(), kUri, 0, &id).ok());
  const std::vector<std::string> threads = ThreadsOf(worker.pid());
  EXPECT_LE(threads.size(), kMaxWorkerThreads) << absl::StrJoin(threads, "\n");
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
