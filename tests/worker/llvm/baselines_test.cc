#include "worker/llvm/baselines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/target.h"

namespace holdfast::llvm_session {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class BaselinesTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { InitializeLlvm(); }

  Baselines Of(std::string original) {
    return Baselines(std::move(original), &commands_, scratch_.path());
  }
  std::string Path(absl::string_view file) const {
    return absl::StrCat(scratch_.path(), "/", file);
  }

  const ScratchDirectory scratch_;
  BenchmarkCommands commands_;
};

TEST_F(BaselinesTest, SizesAreWhatTheToolsTell) {
  if (system("command -v opt-19 size >/dev/null") != 0) {
    GTEST_SKIP() << "the packages llvm-19 and binutils are not installed";
  }
  const std::string bitcode = BitcodeOf(DemoProgram("compressor.c"));
  Baselines baselines = Of(bitcode);
  WriteFile(Path("original.bc"), bitcode);
  for (const char* level : {"O0", "O3", "Oz"}) {
    const std::string tools =
        absl::StrCat("cd ", scratch_.path(), " && opt-19 -passes='default<", level,
                     ">' original.bc -o optimised.bc && ", "clang-19 -c optimised.bc -o object.o");
    ASSERT_EQ(system(tools.c_str()), 0);
    const absl::StatusOr<int64_t> size = baselines.Get(Metric::kObjectTextSize, level);
    ASSERT_TRUE(size.ok()) << size.status();
    EXPECT_EQ(*size, TextByTheToolSize(Path("object.o"))) << level;
    EXPECT_EQ(*baselines.Get(Metric::kTextSize, level), *size) << "there is no build command";
  }
}

TEST_F(BaselinesTest, ALevelIsOptimisedOnce) {
  Baselines baselines = Of(DemoProgram("calculator.c"));
  const int64_t size = *baselines.Get(Metric::kObjectTextSize, "Oz");
  const int64_t count = *baselines.Get(Metric::kInstructionCount, "Oz");
  EXPECT_NE(*baselines.Get(Metric::kObjectTextSize, "O3"), size);
  // If this were optimised again, it would count more.
  std::filesystem::copy_file(Path("baseline.Oz.bc"), Path("baseline.O3.bc"),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(*baselines.Get(Metric::kInstructionCount, "O3"), count);
}

TEST_F(BaselinesTest, AFailureIsOneValuesOnly) {
  Baselines baselines = Of("define void @f() {\n  ret void\n}\n");
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = baselines.Get(Metric::kTextSize, "Oz").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()),
                StartsWith("Failed to compute .text size cost: The baseline -Oz: "));
  }
  EXPECT_EQ(*baselines.Get(Metric::kInstructionCount, "Oz"), 1);
  Baselines::Values values;
  baselines.Save(&values);
  EXPECT_EQ(values.size(), 1);
  EXPECT_EQ(values["IrInstructionCountOz"], 1);
}

// A child that could not write its file says nothing about the next.
TEST_F(BaselinesTest, AFailureIsNotKept) {
  Baselines baselines = Of(DemoProgram("calculator.c"));
  std::filesystem::create_directory(Path("baseline.Oz.bc"));
  EXPECT_FALSE(baselines.Get(Metric::kInstructionCount, "Oz").ok());
  std::filesystem::remove(Path("baseline.Oz.bc"));
  EXPECT_TRUE(baselines.Get(Metric::kInstructionCount, "Oz").ok());
}

TEST_F(BaselinesTest, BuildByTheBenchmarksCommand) {
  compiler_gym::BenchmarkDynamicConfig config;
  *config.mutable_build_cmd() =
      ShellCommand("$CC $IN -o program && cp program ../$LEVEL", {}, {"program"});
  (*config.mutable_build_cmd()->mutable_env())["LEVEL"] = "copy";
  commands_ = *BenchmarkCommands::Create(config);
  Baselines baselines =
      Of("int main(int c, char **v) { int sum = 0; for (int i = 0; i < c; ++i) "
         "sum += v[i][0]; return sum; }\n");
  const absl::StatusOr<int64_t> size = baselines.Get(Metric::kTextSize, "O3");
  ASSERT_TRUE(size.ok()) << size.status();
  if (system("command -v size >/dev/null") == 0) {
    EXPECT_EQ(*size, TextByTheToolSize(Path("copy")));
  }
  EXPECT_FALSE(std::filesystem::exists(Path("baseline.build")));
}

TEST_F(BaselinesTest, RestoredValuesAreNotComputed) {
  Baselines baselines = Of("int f(");
  Baselines::Values values;
  values["TextSizeO3"] = 12;
  baselines.Restore(values);
  EXPECT_EQ(*baselines.Get(Metric::kTextSize, "O3"), 12);
  EXPECT_THAT(std::string(baselines.Get(Metric::kTextSize, "Oz").status().message()),
              HasSubstr("Failed to compile C source"));
}

}  // namespace
}  // namespace holdfast::llvm_session
