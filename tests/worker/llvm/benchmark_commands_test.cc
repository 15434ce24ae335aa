#include "worker/llvm/benchmark_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

using testing::HasSubstr;

class BenchmarkCommandsTest : public testing::Test {
 protected:
  BenchmarkCommands Commands() const {
    absl::StatusOr<BenchmarkCommands> commands = BenchmarkCommands::Create(config_);
    EXPECT_TRUE(commands.ok()) << commands.status();
    return *std::move(commands);
  }
  std::string Path(absl::string_view file) const {
    return absl::StrCat(scratch_.path(), "/", file);
  }
  const std::string& directory() const { return scratch_.path(); }

  const ScratchDirectory scratch_;
  compiler_gym::BenchmarkDynamicConfig config_;
};

TEST_F(BenchmarkCommandsTest, WhatIsThere) {
  EXPECT_FALSE(Commands().is_buildable());
  *config_.mutable_run_cmd() = ShellCommand("true", {}, {});
  EXPECT_FALSE(Commands().is_runnable()) << "there is nothing to run";
  *config_.mutable_build_cmd() = ShellCommand("true", {}, {});
  EXPECT_TRUE(Commands().is_buildable());
  EXPECT_TRUE(Commands().is_runnable());
}

TEST_F(BenchmarkCommandsTest, ArgumentsAreALineForTheShell) {
  compiler_gym::Command& build = *config_.mutable_build_cmd();
  build = ShellCommand("printf '%s|%s|%s|%s'", {}, {});
  for (const char* argument : {"$CC", "$IN", "\"$COLOUR\"", "${PWD##*/}", ">", "seen"}) {
    build.add_argument(argument);
  }
  (*build.mutable_env())["COLOUR"] = "dark green";
  const absl::StatusOr<absl::Duration> time = Commands().Build(directory());
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_GT(*time, absl::ZeroDuration());
  EXPECT_EQ(ReadFile(Path("seen")),
            absl::StrCat("clang-19|", Path("out.bc"), "|dark green|",
                         std::filesystem::path(directory()).filename().string()));
}

TEST_F(BenchmarkCommandsTest, SeeNothingElseOfTheServicesEnvironment) {
  setenv("HOLDFAST_TEST_SECRET", "secret", 1);
  *config_.mutable_build_cmd() = ShellCommand("env > built", {}, {});
  *config_.mutable_run_cmd() = ShellCommand("env > ran", {}, {});
  ASSERT_TRUE(Commands().Build(directory()).ok());
  ASSERT_TRUE(Commands().Run(directory()).ok());
  unsetenv("HOLDFAST_TEST_SECRET");
  EXPECT_THAT(ReadFile(Path("built")), HasSubstr("CC=clang-19"));
  EXPECT_THAT(ReadFile(Path("built")), testing::Not(HasSubstr("SECRET")));
  EXPECT_THAT(ReadFile(Path("ran")), testing::Not(HasSubstr("CC=")));
}

TEST_F(BenchmarkCommandsTest, InfilesAndOutfilesMustBeThere) {
  *config_.mutable_build_cmd() = ShellCommand("cat data > a.out", {"data"}, {"a.out"});
  const absl::Status missing = Commands().Build(directory()).status();
  EXPECT_EQ(missing, absl::InvalidArgumentError("File not found: data, an infile of build_cmd"));
  WriteFile(Path("data"), "data");
  EXPECT_TRUE(Commands().Build(directory()).ok());
  EXPECT_EQ(*Commands().Program(directory()), Path("a.out"));

  *config_.mutable_run_cmd() = ShellCommand("true", {"/dev/null", "a.out"}, {"result"});
  EXPECT_EQ(Commands().Run(directory()).status(),
            absl::InvalidArgumentError("run_cmd did not write its outfile result"));
}

TEST_F(BenchmarkCommandsTest, FailureTellsTheOutput) {
  *config_.mutable_build_cmd() = ShellCommand("echo no such luck >&2; exit 3", {}, {});
  EXPECT_EQ(Commands().Build(directory()).status(),
            absl::InvalidArgumentError("build_cmd exited with code 3: no such luck\n"));
  *config_.mutable_run_cmd() = ShellCommand("kill -SEGV $$", {}, {});
  EXPECT_EQ(Commands().Run(directory()).status(),
            absl::InvalidArgumentError("run_cmd was ended by Segmentation fault: "));
}

TEST_F(BenchmarkCommandsTest, TimeIsLimited) {
  *config_.mutable_build_cmd() = ShellCommand("exec sleep 1000", {}, {});
  config_.mutable_build_cmd()->set_timeout_seconds(1);
  const absl::Status late = Commands().Build(directory()).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(late.message()), HasSubstr("build_cmd: "));
  EXPECT_THAT(std::string(late.message()), HasSubstr("within 1s"));

  for (auto* command : {config_.mutable_run_cmd(), config_.add_pre_run_cmd(),
                        config_.add_post_run_cmd(), config_.mutable_build_cmd()}) {
    command->set_timeout_seconds(-1);
    EXPECT_EQ(BenchmarkCommands::Create(config_).status().code(),
              absl::StatusCode::kInvalidArgument);
    command->set_timeout_seconds(0);
  }
  EXPECT_TRUE(BenchmarkCommands::Create(config_).ok());
}

TEST_F(BenchmarkCommandsTest, BeforeAndAfterRuns) {
  *config_.mutable_build_cmd() = ShellCommand("true", {}, {});
  *config_.mutable_run_cmd() = ShellCommand("echo run >> log", {}, {});
  *config_.add_pre_run_cmd() = ShellCommand("echo first >> log", {}, {});
  *config_.add_pre_run_cmd() = ShellCommand("echo second >> log", {}, {});
  *config_.add_post_run_cmd() = ShellCommand("echo last >> log", {}, {});
  const BenchmarkCommands commands = Commands();
  ASSERT_TRUE(commands.BeforeRuns(directory()).ok());
  ASSERT_TRUE(commands.Run(directory()).ok());
  ASSERT_TRUE(commands.AfterRuns(directory()).ok());
  EXPECT_EQ(ReadFile(Path("log")), "first\nsecond\nrun\nlast\n");
  *config_.mutable_pre_run_cmd(0) = ShellCommand("false", {}, {});
  EXPECT_EQ(Commands().BeforeRuns(directory()),
            absl::InvalidArgumentError("pre_run_cmd exited with code 1: "));
}

TEST_F(BenchmarkCommandsTest, ProgramIsTheOneOutfile) {
  for (const std::vector<std::string>& outfiles :
       std::vector<std::vector<std::string>>{{}, {"a", "b"}}) {
    *config_.mutable_build_cmd() = ShellCommand("true", {}, outfiles);
    EXPECT_EQ(
        Commands().Program(directory()).status(),
        absl::InvalidArgumentError(absl::StrCat("dynamic_config.build_cmd has ", outfiles.size(),
                                                " outfiles, must have exactly one")));
  }
}

TEST_F(BenchmarkCommandsTest, ObjectIsTheOutfileOrWhatTheCompilerCallsIt) {
  WriteFile(Path("out.bc"), "");
  *config_.mutable_build_cmd() = ShellCommand("$CC -xir $IN -o a.out", {}, {"a.out"});
  EXPECT_EQ(*Commands().BuildObject(directory()), Path("a.out"));
  remove(Path("a.out").c_str());
  *config_.mutable_build_cmd() = ShellCommand("$CC -xir $IN", {}, {"a.out"});
  EXPECT_EQ(*Commands().BuildObject(directory()), Path("out.o"));
}

}  // namespace
}  // namespace holdfast::llvm_session
