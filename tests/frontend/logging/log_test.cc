#include "frontend/logging/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "common/unique_fd.h"
#include "frontend/logging/library_log.h"
#include "proto/worker_failure.pb.h"
#include "tests/frontend/logging/log_fixture.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Subsystem kPool = Subsystem::kPool;

TEST_F(LogTest, BeforeItIsSetUpOnlyWarningsAndErrorsGoToStderr) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";  // A process that has not set it up yet.
  EXPECT_EXIT(
      {
        LogDebug(kPool, "a");
        LogInfo(kPool, "b");
        LogWarning(kPool, "c", {{"x", 1}});
        LogError(kPool, "d");
        std::exit(0);
      },
      testing::ExitedWithCode(0),
      "^[^ ]+ warning pool          c x=1\n[^ ]+ error   pool          d\n$");
}

TEST_F(LogTest, WritesOneLineAtOnceForWhatIsOfItsLevel) {
  InitLogging(Options(directory_));
  testing::internal::CaptureStderr();
  LogDebug(kPool, "not this");
  LogInfo(kPool, "{} %s", {{"a", 3}, {"b", "\tü"}});
  LogError(Subsystem::kSession, "one\ntwo");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(Lines(file_), ElementsAre("info    pool          {} %s a=3 b=\"\tü\"",
                                        "error   session       one\\ntwo"));
}

TEST_F(LogTest, EachSubsystemHasItsLevel) {
  LogOptions options = Options(directory_, LogLevel::kWarning);
  options.levels.own[static_cast<int>(kPool)] = LogLevel::kDebug;
  options.levels.own[static_cast<int>(Subsystem::kSession)] = LogLevel::kError;
  InitLogging(options);
  for (const Subsystem subsystem : {Subsystem::kFront, kPool, Subsystem::kSession}) {
    LogDebug(subsystem, "1");
    LogInfo(subsystem, "2");
    LogWarning(subsystem, "3");
    LogError(subsystem, "4");
  }
  EXPECT_THAT(Lines(file_), ElementsAre("warning front         3", "error   front         4",
                                        "debug   pool          1", "info    pool          2",
                                        "warning pool          3", "error   pool          4",
                                        "error   session       4"));
  EXPECT_TRUE(IsLogged(LogLevel::kDebug, kPool));
  EXPECT_FALSE(IsLogged(LogLevel::kInfo, Subsystem::kFront));
  EXPECT_FALSE(IsLogged(LogLevel::kWarning, Subsystem::kSession));
}

TEST_F(LogTest, WhatIsNotLoggedIsNotFormatted) {
  InitLogging(Options(directory_, LogLevel::kError));
  // Formatting it would read what is not there.
  const LogField nothing("x", absl::string_view(reinterpret_cast<const char*>(1), 1 << 20));
  LogWarning(kPool, "no", {nothing});
  Log(LogLevel::kInfo, kPool, "no", {nothing});
  EXPECT_EQ(Read(file_), "");
}

TEST_F(LogTest, ToFileAndStderr) {
  LogOptions options = Options(directory_, LogLevel::kDebug);
  options.to_stderr = true;
  InitLogging(options);
  testing::internal::CaptureStderr();
  LogDebug(kPool, "both");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), Read(file_));
  EXPECT_THAT(Lines(file_), ElementsAre("debug   pool          both"));
}

TEST_F(LogTest, AsJson) {
  LogOptions options = Options(directory_);
  options.format = LogFormat::kJson;
  InitLogging(options);
  LogInfo(kPool, "worker is ready", {{"worker", 7}});
  EXPECT_THAT(Read(file_), HasSubstr(R"("message":"worker is ready","worker":7})"
                                     "\n"));
}

TEST_F(LogTest, FileIsPrivate) {
  ASSERT_TRUE(std::filesystem::create_directory(directory_));
  { std::ofstream(file_) << "from before\n"; }
  ASSERT_EQ(chmod(file_.c_str(), 0644), 0);
  InitLogging(Options(directory_));
  LogInfo(kPool, "new");
  EXPECT_EQ(Mode(file_), 0600);
  EXPECT_TRUE(absl::StartsWith(Read(file_), "from before\n"));
}

TEST_F(LogTest, MakesAPrivateDirectory) {
  InitLogging(Options(directory_));
  EXPECT_EQ(Mode(directory_), 0700);
}

TEST_F(LogTest, RotatesAtTenMebibytes) {
  InitLogging(Options(directory_));
  const std::string mebibyte(1 << 20, 'x');
  for (int i = 0; i < 45; ++i) LogInfo(kPool, "much", {{"text", mebibyte}});
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    ++files;
    EXPECT_EQ(Mode(entry.path()), 0600) << entry.path();
    EXPECT_LE(entry.file_size(), 10 << 20) << entry.path();
  }
  EXPECT_EQ(files, 3);
}

TEST_F(LogTest, AFileThatWasMovedIsMadeAgainWhenItIsReopened) {
  InitLogging(Options(directory_));
  LogInfo(kPool, "1");
  const std::string moved = absl::StrCat(root_, "/moved");
  std::filesystem::rename(file_, moved);
  LogInfo(kPool, "2");
  ReopenLog();
  LogInfo(kPool, "3");
  EXPECT_THAT(Lines(moved), ElementsAre("info    pool          1", "info    pool          2"));
  EXPECT_THAT(Lines(file_), ElementsAre("info    pool          3"));
  EXPECT_EQ(Mode(file_), 0600);
  // One that was not moved goes on.
  ReopenLog();
  LogInfo(kPool, "4");
  EXPECT_THAT(Lines(file_), ElementsAre("info    pool          3", "info    pool          4"));
}

TEST_F(LogTest, ReopeningMakesTheDirectoryAgain) {
  InitLogging(Options(directory_));
  std::filesystem::rename(directory_, absl::StrCat(root_, "/moved"));
  ReopenLog();
  LogInfo(kPool, "new");
  EXPECT_THAT(Lines(file_), ElementsAre("info    pool          new"));
  EXPECT_EQ(Mode(directory_), 0700);
}

TEST_F(LogTest, AFileThatCannotBeOpenedAnewLeavesTheOldOne) {
  InitLogging(Options(directory_));
  const std::string moved = absl::StrCat(root_, "/moved");
  std::filesystem::rename(file_, moved);
  std::filesystem::create_directory(file_);
  testing::internal::CaptureStderr();
  EXPECT_FALSE(ReopenLog());
  LogInfo(kPool, "not lost");
  const std::string on_stderr = testing::internal::GetCapturedStderr();
  EXPECT_THAT(on_stderr, HasSubstr("log not opened anew"));
  EXPECT_THAT(on_stderr, HasSubstr("not lost")) << "nobody may look into the one that was moved";
  const std::vector<std::string> lines = Lines(moved);
  ASSERT_EQ(lines.size(), 2);
  EXPECT_THAT(lines[0], HasSubstr("warning log           log not opened anew why="));
  EXPECT_EQ(lines[1], "info    pool          not lost");
}

TEST_F(LogTest, FallsBackToStderrUntilTheFileCanBeOpened) {
  { std::ofstream(directory_) << "not a directory"; }
  testing::internal::CaptureStderr();
  InitLogging(Options(directory_));
  LogInfo(kPool, "not lost");
  std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr(absl::StrCat("cannot log to ", file_)));
  EXPECT_THAT(text, HasSubstr("info    pool          not lost\n"));

  std::filesystem::remove(directory_);
  testing::internal::CaptureStderr();
  EXPECT_TRUE(ReopenLog());
  LogInfo(kPool, "to the file");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(Lines(file_), ElementsAre("info    pool          to the file"));
}

TEST_F(LogTest, LibrariesMayComplainOfWhatIsLogged) {
  LogOptions options = Options(directory_);
  options.format = LogFormat::kJson;
  InitLogging(options);
  LogForLibraries();
  WorkerFailure failure;
  failure.set_stderr_tail("\xff is no UTF-8");
  LogWarning(kPool, "fails", {{"failure", failure, "in words"}});
  const std::string text = Read(file_);
  EXPECT_THAT(text, HasSubstr("\"message\":\"Protocol Buffers\""));
  EXPECT_THAT(text, HasSubstr("\"message\":\"fails\""));
}

TEST_F(LogTest, StderrThatNobodyReadsStopsNothing) {
  LogOptions options = Options(directory_);
  options.to_stderr = true;
  InitLogging(options);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const UniqueFd reading(ends[0]);
  const UniqueFd stderr_before(dup(STDERR_FILENO));
  ASSERT_EQ(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
  close(ends[1]);
  const std::string much(10'000, 'x');
  for (int i = 0; i < 100; ++i) LogInfo(kPool, "more than a pipe takes", {{"what", much}});
  EXPECT_EQ(Lines(file_).size(), 100);
  // Once it is read again, lines are whole, but for the one that was cut.
  std::string text(1 << 20, '\0');
  text.resize(static_cast<size_t>(read(reading.get(), text.data(), text.size())));
  LogInfo(kPool, "whole");
  char rest[1024];
  const ssize_t size = read(reading.get(), rest, sizeof(rest));
  dup2(stderr_before.get(), STDERR_FILENO);
  text.append(rest, static_cast<size_t>(size));
  EXPECT_GT(text.size(), 10'000u);
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  EXPECT_THAT(lines.back(), HasSubstr(" info    pool          whole"));
  EXPECT_LT(lines.back().size(), 100u) << "it begins where the cut one ends";
}

TEST_F(LogTest, LinesOfThreadsAreWhole) {
  InitLogging(Options(directory_));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      const std::string text(100, static_cast<char>('a' + i));
      for (int k = 0; k < 1000; ++k) LogInfo(kPool, "from a thread", {{"text", text}});
    });
  }
  for (int i = 0; i < 10; ++i) ReopenLog();
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> lines = Lines(file_);
  EXPECT_EQ(lines.size(), 4000);
  for (const std::string& line : lines) {
    EXPECT_EQ(line, absl::StrCat("info    pool          from a thread text=",
                                 std::string(100, line.back())));
  }
}

TEST_F(LogTest, RepeatsAreSuppressedAndCounted) {
  LogOptions options = Options(directory_, LogLevel::kDebug);
  options.repeats = {/*burst=*/3, /*per_second=*/0};
  InitLogging(options);
  const int64_t before = SuppressedLogLines();
  for (int i = 0; i < 10; ++i) LogWarning(kPool, "again", {{"i", i}});
  LogInfo(kPool, "another");
  for (int i = 0; i < 5; ++i) LogDebug(kPool, "a detail");
  EXPECT_EQ(SuppressedLogLines() - before, 7);
  EXPECT_THAT(Lines(file_),
              ElementsAre("warning pool          again i=0", "warning pool          again i=1",
                          "warning pool          again i=2", "info    pool          another",
                          "debug   pool          a detail", "debug   pool          a detail",
                          "debug   pool          a detail", "debug   pool          a detail",
                          "debug   pool          a detail"));
  FlushRepeats();
  FlushRepeats();
  const std::vector<std::string> lines = Lines(file_);
  ASSERT_EQ(lines.size(), 10);
  EXPECT_EQ(lines.back(),
            "warning pool          repeats were suppressed repeated=again suppressed=7");
}

TEST_F(LogTest, TheNextThatIsLetThroughTellsOfThoseThatWereNot) {
  LogOptions options = Options(directory_);
  options.repeats = {/*burst=*/1, /*per_second=*/1000};
  InitLogging(options);
  const int64_t before = SuppressedLogLines();
  // Until some are suppressed, and one more is let through.
  std::vector<std::string> lines;
  do {
    LogInfo(kPool, "again");
    lines = Lines(file_);
  } while (!absl::StrContains(lines.back(), "suppressed="));
  EXPECT_EQ(lines.back(),
            absl::StrCat("info    pool          again suppressed=", SuppressedLogLines() - before));
}

TEST_F(LogTest, WhatIsStillSuppressedIsToldWhereItWasSuppressed) {
  LogOptions options = Options(directory_);
  options.repeats.burst = 1;
  options.repeats.per_second = 0;
  InitLogging(options);
  for (int i = 0; i < 3; ++i) LogInfo(kPool, "again");
  InitLogging(Options(absl::StrCat(root_, "/other")));
  EXPECT_THAT(Lines(file_),
              ElementsAre("info    pool          again",
                          "info    pool          repeats were suppressed repeated=again "
                          "suppressed=2"));
  EXPECT_THAT(Read(absl::StrCat(root_, "/other/holdfast.log")), IsEmpty());
}

TEST_F(LogTest, WithoutADirectoryThereIsNoFile) {
  InitLogging(Options(""));
  testing::internal::CaptureStderr();
  LogError(kPool, "nowhere");
  ReopenLog();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_FALSE(std::filesystem::exists(directory_));
}

}  // namespace
}  // namespace holdfast
