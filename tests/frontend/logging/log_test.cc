#include "frontend/logging/log.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace holdfast {
namespace {

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

int Mode(const std::string& path) {
  struct stat status = {};
  stat(path.c_str(), &status);
  return status.st_mode & 0777;
}

class LogTest : public testing::Test {
 protected:
  LogTest() {
    std::string path = absl::StrCat(testing::TempDir(), "/log_XXXXXX");
    root_ = mkdtemp(path.data());
    directory_ = absl::StrCat(root_, "/logs");
    file_ = absl::StrCat(directory_, "/holdfast.log");
    workers_file_ = absl::StrCat(directory_, "/workers.log");
  }

  ~LogTest() override {
    InitLogging("", /*to_stderr=*/true, LogLevel::kWarning);
    std::filesystem::remove_all(root_);
  }

  // The lines of `path`, without their times.
  static std::vector<std::string> Lines(const std::string& path) {
    std::vector<std::string> lines = absl::StrSplit(Read(path), '\n', absl::SkipEmpty());
    for (std::string& line : lines) line.erase(0, line.find(' ') + 1);
    return lines;
  }

  std::string root_;
  std::string directory_;
  std::string file_;
  std::string workers_file_;
};

TEST_F(LogTest, BeforeItIsSetUpOnlyWarningsAndErrorsGoToStderr) {
  testing::internal::CaptureStderr();
  LogDebug("a");
  LogInfo("b");
  LogWarning("c", 1);
  LogError("d", 2.5);
  const std::string text = testing::internal::GetCapturedStderr();
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2) << text;
  EXPECT_TRUE(absl::EndsWith(lines[0], " warning c1")) << text;
  EXPECT_TRUE(absl::EndsWith(lines[1], " error   d2.5")) << text;
}

TEST_F(LogTest, WritesOneLineAtOnceForWhatIsOfItsLevel) {
  InitLogging(directory_, /*to_stderr=*/false, LogLevel::kInfo);
  testing::internal::CaptureStderr();
  LogDebug("not this");
  LogInfo("{} %s ", 3, "\tü");
  LogError("one\ntwo\x1b[2J\x7f\r");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(Lines(file_), (std::vector<std::string>{"info    {} %s 3\tü",
                                                    "error   one\\ntwo\\x1b[2J\\x7f\\x0d"}));
  // 2026-01-31T12:34:56.789+00:00 …
  const std::string text = Read(file_);
  EXPECT_EQ(text.find('T'), 10);
  EXPECT_EQ(text.find(' '), 29);
}

TEST_F(LogTest, DoesNotFormatWhatIsNotLogged) {
  InitLogging(directory_, /*to_stderr=*/false, LogLevel::kError);
  EXPECT_FALSE(IsLogged(LogLevel::kWarning));
  EXPECT_TRUE(IsLogged(LogLevel::kError));
  LogWarning("no");
  Log(LogLevel::kInfo, "no");
  EXPECT_EQ(Read(file_), "");
}

TEST_F(LogTest, ToFileAndStderr) {
  InitLogging(directory_, /*to_stderr=*/true, LogLevel::kDebug);
  testing::internal::CaptureStderr();
  LogDebug("both");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), Read(file_));
  EXPECT_EQ(Lines(file_), std::vector<std::string>{"debug   both"});
}

TEST_F(LogTest, FilesArePrivate) {
  ASSERT_TRUE(std::filesystem::create_directory(directory_));
  { std::ofstream(file_) << "from before\n"; }
  ASSERT_EQ(chmod(file_.c_str(), 0644), 0);
  InitLogging(directory_, /*to_stderr=*/false, LogLevel::kInfo);
  WorkerLog workers(directory_);
  LogInfo("new");
  EXPECT_EQ(Mode(file_), 0600);
  EXPECT_EQ(Mode(workers_file_), 0600);
  EXPECT_TRUE(absl::StartsWith(Read(file_), "from before\n"));
}

TEST_F(LogTest, MakesAPrivateDirectory) {
  InitLogging(directory_, /*to_stderr=*/false, LogLevel::kInfo);
  EXPECT_EQ(Mode(directory_), 0700);
}

TEST_F(LogTest, RotatesAtTenMebibytes) {
  InitLogging(directory_, /*to_stderr=*/false, LogLevel::kInfo);
  const std::string mebibyte(1 << 20, 'x');
  for (int i = 0; i < 45; ++i) LogInfo(mebibyte);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    ++files;
    EXPECT_EQ(Mode(entry.path()), 0600) << entry.path();
    EXPECT_LE(entry.file_size(), 10 << 20) << entry.path();
  }
  EXPECT_EQ(files, 3);
}

TEST_F(LogTest, FallsBackToStderrIfTheFileCannotBeOpened) {
  { std::ofstream(directory_) << "not a directory"; }
  testing::internal::CaptureStderr();
  InitLogging(directory_, /*to_stderr=*/false, LogLevel::kInfo);
  WorkerLog workers(directory_);
  workers.WorkerOutput(1, true, "lost\n");
  workers.WorkerGone(1);
  LogInfo("not lost");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(absl::StrContains(text, absl::StrCat("cannot log to ", file_))) << text;
  EXPECT_TRUE(absl::StrContains(text, absl::StrCat("cannot log to ", workers_file_))) << text;
  EXPECT_TRUE(absl::StrContains(text, "info    not lost")) << text;
}

TEST_F(LogTest, LinesOfThreadsAreWhole) {
  InitLogging(directory_, /*to_stderr=*/false, LogLevel::kInfo);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int k = 0; k < 1000; ++k) LogInfo(std::string(100, static_cast<char>('a' + i)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> lines = Lines(file_);
  EXPECT_EQ(lines.size(), 4000);
  for (const std::string& line : lines) {
    EXPECT_EQ(line, absl::StrCat("info    ", std::string(100, line.back())));
  }
}

TEST_F(LogTest, WorkersLinesAreJoinedPerWorkerAndStream) {
  WorkerLog log(directory_);
  log.WorkerOutput(1, true, "Stack ");
  log.WorkerOutput(1, false, "out");
  log.WorkerOutput(2, true, "other\r\n\n");
  log.WorkerOutput(1, true, "dump:\n #0\t0x1\nend");
  log.WorkerOutput(1, true, "");
  EXPECT_EQ(Lines(workers_file_),
            (std::vector<std::string>{
                "worker 2 stderr: other",
                "worker 2 stderr: ", "worker 1 stderr: Stack dump:", "worker 1 stderr:  #0\t0x1"}));
  log.WorkerGone(1);
  log.WorkerGone(1);
  log.WorkerGone(3);
  const std::vector<std::string> lines = Lines(workers_file_);
  ASSERT_EQ(lines.size(), 6);
  EXPECT_EQ(lines[4], "worker 1 stdout: out");
  EXPECT_EQ(lines[5], "worker 1 stderr: end");
}

TEST_F(LogTest, WorkersUnfinishedLinesAreWrittenAtTheEnd) {
  { WorkerLog(directory_).WorkerOutput(7, true, "last words"); }
  EXPECT_EQ(Lines(workers_file_), std::vector<std::string>{"worker 7 stderr: last words"});
}

TEST_F(LogTest, WorkersLinesAreBrokenAfterFourKibibytes) {
  WorkerLog log(directory_);
  const std::string full(4096, 'a');
  log.WorkerOutput(1, false, full);
  EXPECT_TRUE(Lines(workers_file_).empty());
  log.WorkerOutput(1, false, "\n");  // It just fits.
  log.WorkerOutput(1, false, absl::StrCat(full, "b\n"));
  const std::string prefix = "worker 1 stdout: ";
  EXPECT_EQ(Lines(workers_file_),
            (std::vector<std::string>{absl::StrCat(prefix, full), absl::StrCat(prefix, full),
                                      absl::StrCat(prefix, "b")}));
}

TEST_F(LogTest, WorkersAreCutAtOneMebibyte) {
  WorkerLog log(directory_);
  for (int i = 0; i < 2000; ++i) log.WorkerOutput(1, true, std::string(1023, '\n'));
  log.WorkerOutput(1, false, "unheard");
  log.WorkerOutput(2, true, "heard\n");
  log.WorkerGone(1);
  EXPECT_LE(std::filesystem::file_size(workers_file_), (1 << 20) + 200);
  EXPECT_GE(std::filesystem::file_size(workers_file_), 1000 << 10);
  const std::vector<std::string> lines = Lines(workers_file_);
  ASSERT_GT(lines.size(), 3);
  EXPECT_EQ(lines[0], "worker 1 stderr: ");
  EXPECT_EQ(lines[lines.size() - 2], "worker 1: it has written much; the rest is dropped");
  EXPECT_EQ(lines.back(), "worker 2 stderr: heard");
}

TEST_F(LogTest, WorkersCannotForgeLines) {
  WorkerLog log(directory_);
  log.WorkerOutput(1, true, "a\x1b]0;title\x07\rworker 2 {}\n");
  EXPECT_EQ(Lines(workers_file_),
            std::vector<std::string>{"worker 1 stderr: a\\x1b]0;title\\x07\\x0dworker 2 {}"});
}

TEST_F(LogTest, WithoutADirectoryThereAreNoFiles) {
  InitLogging("", /*to_stderr=*/false, LogLevel::kInfo);
  WorkerLog log("");
  testing::internal::CaptureStderr();
  LogError("nowhere");
  log.WorkerOutput(1, true, "nowhere\n");
  log.WorkerGone(1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_FALSE(std::filesystem::exists(directory_));
}

}  // namespace
}  // namespace holdfast
