// That the benchmark measures all that it should, and that what it says can be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/report.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using testing::Ge;
using testing::Gt;
using testing::Le;

// Runs it with few rounds of few clients. What it adds to the file.
std::vector<Record> RunWith(const std::vector<std::string>& flags, const std::string& json) {
  std::vector<std::string> command = {RunfilePath("tests/bench/service_benchmark"),
                                      "--max_sessions=2", "--rounds=1", "--round_time=5ms",
                                      absl::StrCat("--json=", json)};
  command.insert(command.end(), flags.begin(), flags.end());
  const ProgramResult result = RunProgram(command);
  EXPECT_EQ(result.exit, 0) << result.err;
  std::ifstream file(json);
  return nlohmann::json::parse(file).get<std::vector<Record>>();
}

std::string NameOf(const Record& record) {
  return absl::StrCat(record.operation, " ", record.clients, " ", record.sessions, " ", record.way);
}

// Of observations at least.
int64_t ReplyBytesOf(const std::string& operation) {
  if (operation == "step") return 20;
  if (operation == "step_64KiB") return 64 << 10;
  if (operation == "step_4MiB") return 4 << 20;
  return 1;
}

TEST(ServiceBenchmarkTest, MeasuresEachOperationInEachWay) {
  const TemporaryDirectory directory;
  const std::vector<Record> records = RunWith({}, directory / "all.json");

  std::vector<std::string> expected;
  for (const std::string operation :
       {"step_empty", "step", "step_64KiB", "step_4MiB", "start_end", "start_end_reuse", "fork_end",
        "add_benchmark_1MiB", "get_spaces"}) {
    std::vector<std::string> loads = {" 1 1 ", " 2 2 "};
    if (operation == "step") loads.emplace_back(" 1 2 ");
    for (const std::string& load : loads) {
      for (const std::string way : {"holdfast", "direct", "in_process", "ping_pong"}) {
        if (operation == "fork_end" && way == "direct") continue;
        expected.push_back(absl::StrCat(operation, load, way));
      }
    }
  }
  std::vector<std::string> names;
  for (const Record& record : records) names.push_back(NameOf(record));
  EXPECT_THAT(names, testing::UnorderedElementsAreArray(expected));

  for (const Record& record : records) {
    SCOPED_TRACE(NameOf(record));
    EXPECT_FALSE(record.pinned);
    EXPECT_THAT(record.calls, Ge(record.clients));
    EXPECT_THAT(record.p50_us, Gt(0));
    EXPECT_THAT(record.p99_us, Ge(record.p50_us));
    EXPECT_THAT(record.p999_us, Ge(record.p99_us));
    // No client is faster than its calls, half of which take p50 or more.
    EXPECT_THAT(record.calls_per_s, Gt(0));
    EXPECT_THAT(record.calls_per_s, Le(2.1e6 * record.clients / record.p50_us));
    const bool is_holdfast = record.way == "holdfast";
    const bool front_answers =
        record.operation == "get_spaces" || record.operation == "add_benchmark_1MiB";
    if (is_holdfast) {
      EXPECT_THAT(record.front_cpu_us, Gt(0));
    } else {
      EXPECT_EQ(record.front_cpu_us, 0);
    }
    // What workers that end meanwhile have used is not known well enough.
    const bool workers_end = record.operation == "start_end" || record.operation == "fork_end";
    if (!is_holdfast || !(front_answers || workers_end)) {
      EXPECT_THAT(record.worker_cpu_us, Gt(0));
    }
    EXPECT_THAT(record.reply_bytes, Ge(ReplyBytesOf(record.operation)));
    EXPECT_THAT(record.reply_bytes, Le(ReplyBytesOf(record.operation) + 1024));
  }
}

TEST(ServiceBenchmarkTest, AddsThePinnedToTheUnpinned) {
  const TemporaryDirectory directory;
  const std::string json = directory / "both.json";
  const size_t unpinned = RunWith({"--operations=get_spaces"}, json).size();
  const std::vector<Record> both = RunWith({"--operations=get_spaces", "--pinned"}, json);

  ASSERT_EQ(both.size(), 2 * unpinned);
  for (size_t i = 0; i < both.size(); ++i) EXPECT_EQ(both[i].pinned, i >= unpinned);
}

}  // namespace
}  // namespace holdfast
