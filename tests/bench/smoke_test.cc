// The benchmarks of starts and of memory work: each tells its figures, in both forms.
#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using google::protobuf::Struct;
using testing::Contains;
using testing::HasSubstr;

struct Expectation {
  std::string benchmark;
  std::vector<std::string> figures;  // The beginnings of some.
};

class SmokeTest : public testing::TestWithParam<Expectation> {};

INSTANTIATE_TEST_SUITE_P(
    , SmokeTest,
    testing::Values(Expectation{"start_benchmark",
                                {"LLVM worker, spawn to first answer, warm, p50",
                                 "LLVM worker, spawn to first answer, cold binary, p50",
                                 "LLVM session, StartSession with a warm worker, p50",
                                 "example sessions, start and end, 8 clients, fresh processes",
                                 "example sessions, start and end, 8 clients, reuse",
                                 "example session, kill -9 of its worker, then a step, p50",
                                 "step while workers start, full front, max"}},
                    Expectation{"memory_benchmark",
                                {"front of 2 LLVM workers, idle, RSS",
                                 "spawner of 2 LLVM workers, idle, PSS",
                                 "each of 2 LLVM workers, with sessions, private",
                                 "lone LLVM worker with a session, 64 CPUs, threads",
                                 "LLVM worker of a front, with a session, 64 CPUs, threads",
                                 "LLVM worker of a front, with a session, 64 CPUs, descriptors"}}),
    [](const auto& info) { return info.param.benchmark; });

TEST_P(SmokeTest, TellsItsFigures) {
  const std::string json = absl::StrCat(testing::TempDir(), "/", GetParam().benchmark, ".json");
  const ProgramResult result =
      RunProgram({RunfilePath("tests/bench/" + GetParam().benchmark), "--smoke", "--json=" + json});
  ASSERT_EQ(result.exit, 0) << result.out << result.err;
  std::vector<std::string> figures;
  std::ifstream file(json);
  for (std::string line; std::getline(file, line);) {
    Struct record;
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(line, &record).ok()) << line;
    EXPECT_TRUE(record.fields().at("unit").has_string_value()) << line;
    // A difference may be of any sign.
    if (record.fields().at("figure").string_value().find("added by") == std::string::npos) {
      EXPECT_GT(record.fields().at("value").number_value(), 0) << line;
    }
    EXPECT_EQ(record.fields().count("kind"), record.fields().count("target")) << line;
    figures.push_back(record.fields().at("figure").string_value());
    EXPECT_THAT(result.out, HasSubstr(figures.back()));
  }
  for (const std::string& figure : GetParam().figures) EXPECT_THAT(figures, Contains(figure));
}

}  // namespace
}  // namespace holdfast
