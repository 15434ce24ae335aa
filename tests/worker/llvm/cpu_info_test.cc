#include "worker/llvm/cpu_info.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "llvm/Support/JSON.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

llvm::json::Object Parse(const std::string& text) {
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(text);
  EXPECT_TRUE(static_cast<bool>(value)) << text;
  return std::move(*value->getAsObject());
}

// Two sockets of two cores with two threads each, and one CPU that is offline.
class MadeUpMachine {
 public:
  MadeUpMachine() {
    Write("cpuinfo",
          "processor\t: 0\nmodel\t\t: 17\nmodel name\t: Abacus 3\n\n"
          "processor\t: 1\nmodel name\t: Other\n");
    for (int cpu = 0; cpu < 8; ++cpu) {
      const int core = cpu % 4;
      const std::string threads = absl::StrCat(core, ",", core + 4);
      const std::string socket = core < 2 ? "0-1,4-5" : "2-3,6-7";
      Write(absl::StrCat("cpus/cpu", cpu, "/topology/thread_siblings_list"), threads);
      WriteCache(cpu, 0, "1", "Data", "48K", threads);
      WriteCache(cpu, 1, "1", "Instruction", "32K", threads);
      WriteCache(cpu, 2, "2", "Unified", "2048K", threads);
      WriteCache(cpu, 3, "3", "Unified", "36M", socket);
    }
    std::filesystem::create_directories(directory_.path() + "/cpus/cpu8");
    Write("cpus/cpufreq/topology/thread_siblings_list", "not a CPU");
    Write("cpus/cpu0/cache/uevent", "not a cache");
  }

  std::string Json() const {
    return CpuInfoJson(directory_.path() + "/cpuinfo", directory_.path() + "/cpus");
  }

 private:
  void Write(const std::string& name, const std::string& content) {
    const std::filesystem::path path = directory_.path() + "/" + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content << "\n";
  }

  void WriteCache(int cpu, int index, const char* level, const char* type, const char* size,
                  const std::string& shared) {
    const std::string cache = absl::StrCat("cpus/cpu", cpu, "/cache/index", index, "/");
    Write(cache + "level", level);
    Write(cache + "type", type);
    Write(cache + "size", size);
    Write(cache + "shared_cpu_list", shared);
  }

  ScratchDirectory directory_;
};

TEST(CpuInfo, CountsWhatIsSharedOnce) {
  const llvm::json::Object expected{
      {"name", "Abacus 3"},       {"cores_count", 4},        {"l1i_cache_size", 32768},
      {"l1i_cache_count", 4},     {"l1d_cache_size", 49152}, {"l1d_cache_count", 4},
      {"l2_cache_size", 2097152}, {"l2_cache_count", 4},     {"l3_cache_size", 37748736},
      {"l3_cache_count", 2},      {"l4_cache_size", -1},     {"l4_cache_count", 0},
  };
  EXPECT_TRUE(Parse(MadeUpMachine().Json()) == expected) << MadeUpMachine().Json();
}

TEST(CpuInfo, HasAllKeysWhereNothingIsTold) {
  const llvm::json::Object nothing = Parse(CpuInfoJson("/does/not/exist", "/does/not/exist"));
  EXPECT_EQ(nothing.size(), 12);
  EXPECT_EQ(nothing.getString("name"), llvm::StringRef(""));
  EXPECT_EQ(nothing.getInteger("cores_count"), 0);
  EXPECT_EQ(nothing.getInteger("l1d_cache_size"), -1);
}

TEST(CpuInfo, KnowsThisMachine) {
  const llvm::json::Object machine = Parse(CpuInfoJson());
  EXPECT_EQ(machine.size(), 12);
  EXPECT_GE(*machine.getInteger("cores_count"), 1);
  EXPECT_EQ(CpuInfoJson(), CpuInfoJson());
}

}  // namespace
}  // namespace holdfast::llvm_session
