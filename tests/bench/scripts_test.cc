// That what reads the benchmarks' results can read them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/bench/report.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

// What each of them costs is made up: 10 us, three times that through Holdfast.
std::vector<Record> SomeRecords() {
  std::vector<Record> records;
  for (const bool pinned : {true, false}) {
    for (const std::string operation : {"step_empty", "step", "step_64KiB", "step_4MiB"}) {
      for (const int clients : {1, 32}) {
        for (const std::string way : {"holdfast", "direct", "in_process", "ping_pong"}) {
          Record record;
          record.pinned = pinned;
          record.operation = operation;
          record.clients = record.sessions = clients;
          record.way = way;
          record.p50_us = record.p99_us = way == "holdfast" ? 30 : 10;
          record.calls_per_s = 1e6 * clients / record.p50_us;
          record.front_cpu_us = way == "holdfast" ? 11 : 0;
          record.worker_cpu_us = 5;
          record.reply_bytes = 20;
          records.push_back(record);
        }
      }
    }
  }
  return records;
}

class ScriptsTest : public testing::Test {
 protected:
  // Writes `records` as service_benchmark does.
  std::string WriteRecords(const std::vector<Record>& records) const {
    std::string path = directory_ / "service.json";
    EXPECT_TRUE(AddToJson(path, records).ok());
    return path;
  }

  std::string WriteFigures() const {
    std::string path = directory_ / "figures.json";
    std::ofstream(path)
        << R"({"figure": "a time", "value": 5, "unit": "ms", "target": 6, "kind": "at most"})"
           "\n"
        << R"({"figure": "a rate", "value": 5, "unit": "/s", "target": 6, "kind": "at least"})"
           "\n"
        // The unit tells nothing.
        << R"({"figure": "a rank", "value": 7, "unit": "", "target": 6, "kind": "at least"})"
           "\n"
        << R"({"figure": "no goal", "value": 7, "unit": "ms"})"
           "\n";
    return path;
  }

  const TemporaryDirectory directory_;
};

TEST_F(ScriptsTest, TargetsAreSetBesideWhatWasMeasured) {
  const ProgramResult result = RunProgram(
      {RunfilePath("tests/bench/targets.py"), WriteRecords(SomeRecords()), WriteFigures()});

  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("over one hop to a worker | at most 2.2 | 3 | missed |"));
  EXPECT_THAT(result.out,
              HasSubstr("front CPU per Step at 32 clients | at most 22 us | 11 us | met"));
  EXPECT_THAT(result.out, HasSubstr("| a time | at most 6 ms | 5 ms | met |"));
  EXPECT_THAT(result.out, HasSubstr("| a rate | at least 6/s | 5/s | missed |"));
  EXPECT_THAT(result.out, HasSubstr("| a rank | at least 6 | 7 | met |"));
  EXPECT_THAT(result.out, testing::Not(HasSubstr("no goal")));
}

TEST_F(ScriptsTest, TargetsSayWhichRunIsMissing) {
  std::vector<Record> records = SomeRecords();
  records.resize(records.size() / 2);  // The pinned ones.
  const ProgramResult result =
      RunProgram({RunfilePath("tests/bench/targets.py"), WriteRecords(records), WriteFigures()});

  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.err,
              testing::MatchesRegex("ERROR: .*service.json has no step_empty by holdfast, "
                                    "clients: 32, unpinned\n"));
}

TEST_F(ScriptsTest, PlotsAreDrawn) {
  if (RunProgram({"/usr/bin/python3", "-c", "import matplotlib"}).exit != 0) {
    GTEST_SKIP() << "there is no matplotlib: only `install_packages.sh --bench` installs it";
  }
  const ProgramResult result = RunProgram(
      {RunfilePath("tests/bench/plot.py"), WriteRecords(SomeRecords()), directory_.path()});

  EXPECT_EQ(result.exit, 0) << result.err;
  for (const std::string name : {"latency.svg", "reply_size.svg"}) {
    EXPECT_THAT(Slurp(directory_ / name), HasSubstr("</svg>"));
  }
}

}  // namespace
}  // namespace holdfast
