#include "worker/llvm/built_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "llvm/IR/LLVMContext.h"
#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/module_loader.h"
#include "worker/llvm/pass_runner.h"
#include "worker/llvm/target.h"

namespace holdfast::llvm_session {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr char kBuild[] = "echo built >> ../builds && $CC $IN -o program";

class BuiltProgramTest : public testing::Test {
 protected:
  void SetUp() override {
    InitializeLlvm();
    absl::StatusOr<std::unique_ptr<llvm::Module>> module = LoadModule(
        BitcodeOf("int main(int argc, char **argv) { int unused = argc; return argc - 1; }\n"),
        context_);
    ASSERT_TRUE(module.ok()) << module.status();
    module_ = *std::move(module);
    *config_.mutable_build_cmd() = ShellCommand(kBuild, {}, {"program"});
    *config_.mutable_run_cmd() = ShellCommand("./program", {"program"}, {});
  }

  // With the commands of now.
  BuiltProgram& Make() {
    absl::StatusOr<BenchmarkCommands> commands = BenchmarkCommands::Create(config_);
    EXPECT_TRUE(commands.ok()) << commands.status();
    commands_ = *std::move(commands);
    build_ = std::make_unique<BuiltProgram>(&commands_, directory_);
    return *build_;
  }

  int64_t Builds() const {
    const std::string log = ReadFile(absl::StrCat(scratch_.path(), "/builds"));
    return std::count(log.begin(), log.end(), '\n');
  }

  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  const ScratchDirectory scratch_;
  const std::string directory_ = absl::StrCat(scratch_.path(), "/build");
  compiler_gym::BenchmarkDynamicConfig config_;
  BenchmarkCommands commands_;
  std::unique_ptr<BuiltProgram> build_;
  llvm::LLVMContext context_;
  std::unique_ptr<llvm::Module> module_;
};

TEST_F(BuiltProgramTest, BuildsOnceForEachState) {
  BuiltProgram& build = Make();
  const absl::StatusOr<std::vector<double>> runs = build.RunTimes(*module_, 1, 3);
  ASSERT_TRUE(runs.ok()) << runs.status();
  EXPECT_THAT(*runs, SizeIs(3));
  for (const double seconds : *runs) EXPECT_GT(seconds, 0);
  ASSERT_TRUE(build.RunTimes(*module_, 0, 1).ok());
  EXPECT_GT(*build.TextSize(*module_), 0);
  EXPECT_THAT(*build.BuildTimes(*module_, 1), SizeIs(1));
  EXPECT_EQ(Builds(), 1);

  ASSERT_TRUE(RunPipeline("sroa", *module_).ok());
  ASSERT_TRUE(build.RunTimes(*module_, 0, 1).ok());
  EXPECT_EQ(Builds(), 2);
}

TEST_F(BuiltProgramTest, BuildTimesAreThoseOfTheState) {
  BuiltProgram& build = Make();
  const std::vector<double> two = *build.BuildTimes(*module_, 2);
  EXPECT_EQ(Builds(), 2);
  EXPECT_THAT(*build.BuildTimes(*module_, 3), ElementsAre(two[0], two[1], testing::Gt(0)));
  EXPECT_EQ(Builds(), 3);
  EXPECT_THAT(*build.BuildTimes(*module_, 1), ElementsAre(two[0]));
  EXPECT_EQ(Builds(), 3);
  ASSERT_TRUE(RunPipeline("sroa", *module_).ok());
  EXPECT_THAT(*build.BuildTimes(*module_, 1), SizeIs(1));
  EXPECT_EQ(Builds(), 4);
}

TEST_F(BuiltProgramTest, AFailedBuildIsTriedAgain) {
  *config_.mutable_build_cmd() = ShellCommand("test -e ../ready && touch program", {}, {"program"});
  BuiltProgram& build = Make();
  EXPECT_EQ(build.BuildTimes(*module_, 1).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(build.RunTimes(*module_, 0, 1).status().code(), absl::StatusCode::kInvalidArgument);
  WriteFile(absl::StrCat(scratch_.path(), "/ready"), "");
  EXPECT_TRUE(build.BuildTimes(*module_, 1).ok());
}

TEST_F(BuiltProgramTest, SizesAreWhatTheToolSizeTells) {
  if (system("command -v size >/dev/null") != 0) GTEST_SKIP() << "binutils is not installed";
  BuiltProgram& build = Make();
  const absl::StatusOr<int64_t> size = build.TextSize(*module_);
  ASSERT_TRUE(size.ok()) << size.status();
  EXPECT_EQ(*size, TextByTheToolSize(absl::StrCat(directory_, "/program")));
  const std::string object = absl::StrCat(scratch_.path(), "/object.o");
  const std::string compile = absl::StrCat("clang-19 -c ", directory_, "/out.bc -o ", object);
  ASSERT_EQ(system(compile.c_str()), 0);
  EXPECT_EQ(*build.ObjectTextSize(*module_), TextByTheToolSize(object));
  EXPECT_THAT(Files(), ElementsAre("out.bc", "program"));
  EXPECT_FALSE(std::filesystem::exists(directory_ + ".object"));
}

TEST_F(BuiltProgramTest, NoRunFindsWhatAnotherHasLeft) {
  *config_.mutable_run_cmd() = ShellCommand("echo more >> log; mkdir d; touch d/f", {}, {"log"});
  // Executed also if the run fails, as the second does that finds the directory `d`.
  *config_.add_post_run_cmd() = ShellCommand("echo after >> ../after", {}, {});
  BuiltProgram& build = Make();
  ASSERT_TRUE(build.RunTimes(*module_, 0, 1).ok());
  ASSERT_TRUE(build.RunTimes(*module_, 0, 1).ok());
  EXPECT_THAT(Files(), ElementsAre("out.bc", "program"));
  *config_.mutable_run_cmd() = ShellCommand("mkdir d", {}, {});
  EXPECT_EQ(Make().RunTimes(*module_, 0, 2).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadFile(absl::StrCat(scratch_.path(), "/after")), "after\nafter\nafter\n");
  EXPECT_THAT(Files(), ElementsAre("out.bc", "program"));
  build_.reset();
  EXPECT_FALSE(std::filesystem::exists(directory_));
}

TEST_F(BuiltProgramTest, WhatRunsDoToTheProgramIsSeenByNoOther) {
  *config_.mutable_run_cmd() = ShellCommand("./program; cat program >> program.2", {}, {});
  *config_.add_post_run_cmd() = ShellCommand("cp /bin/sh program; rm out.bc", {}, {});
  BuiltProgram& build = Make();
  const int64_t size = *build.TextSize(*module_);
  for (int i = 0; i < 2; ++i) {
    const auto times = build.RunTimes(*module_, 0, 1);
    EXPECT_TRUE(times.ok()) << times.status();
    EXPECT_EQ(*build.TextSize(*module_), size);
  }
  EXPECT_EQ(Builds(), 1);
  EXPECT_FALSE(std::filesystem::exists(directory_ + ".run"));
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// Each run leaves a file and reads all that it finds: one that found those of earlier runs would
// take ever longer. The last observations are compared with those of a program that is as good as
// new, made in turn with them: the machine is as busy for the ones as for the others.
TEST_F(BuiltProgramTest, RunTimesDoNotDrift) {
  constexpr int kObservations = 200;
  constexpr int kCompared = 50;
  *config_.mutable_run_cmd() = ShellCommand(
      "./program; head -c 1000000 /dev/zero > left.$$; for file in left.*; do cat $file; done", {},
      {});
  BuiltProgram& old_program = Make();
  BuiltProgram new_program(&commands_, directory_ + ".new");
  std::vector<double> old_times, new_times;
  const auto observe = [this](BuiltProgram& program, std::vector<double>* times) {
    const absl::StatusOr<std::vector<double>> observed = program.RunTimes(*module_, 0, 1);
    ASSERT_TRUE(observed.ok()) << observed.status();
    times->push_back(observed->front());
  };
  for (int i = 0; i < kObservations; ++i) {
    ASSERT_NO_FATAL_FAILURE(observe(old_program, &old_times));
    if (i < kObservations - kCompared) continue;
    ASSERT_NO_FATAL_FAILURE(observe(new_program, &new_times));
  }
  const double old_median = Median({old_times.end() - kCompared, old_times.end()});
  const double new_median = Median(new_times);
  std::cout << "median after 150 observations " << old_median * 1e3 << " ms, from the first on "
            << new_median * 1e3 << " ms\n";
  EXPECT_LT(old_median, new_median * 1.5);
}

}  // namespace
}  // namespace holdfast::llvm_session
