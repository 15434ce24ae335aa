#include "frontend/logging/worker_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/frontend/logging/log_fixture.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr LogFormat kText = LogFormat::kText;

class WorkerLogTest : public LogTest {};

TEST_F(WorkerLogTest, LinesAreJoinedPerWorkerAndStream) {
  WorkerLog log(directory_, kText);
  log.WorkerOutput(1, true, "Stack ");
  log.WorkerOutput(1, false, "out");
  log.WorkerOutput(2, true, "other\r\n\n");
  log.WorkerOutput(1, true, "dump:\n #0\t0x1\nend");
  log.WorkerOutput(1, true, "");
  EXPECT_THAT(Lines(workers_file_),
              ElementsAre("worker 2 stderr: other", "worker 2 stderr: ",
                          "worker 1 stderr: Stack dump:", "worker 1 stderr:  #0\t0x1"));
  log.WorkerGone(1);
  log.WorkerGone(1);
  log.WorkerGone(3);
  const std::vector<std::string> lines = Lines(workers_file_);
  ASSERT_EQ(lines.size(), 6);
  EXPECT_EQ(lines[4], "worker 1 stdout: out");
  EXPECT_EQ(lines[5], "worker 1 stderr: end");
}

TEST_F(WorkerLogTest, UnfinishedLinesAreWrittenAtTheEnd) {
  { WorkerLog(directory_, kText).WorkerOutput(7, true, "last words"); }
  EXPECT_THAT(Lines(workers_file_), ElementsAre("worker 7 stderr: last words"));
}

TEST_F(WorkerLogTest, LinesAreBrokenAfterFourKibibytes) {
  WorkerLog log(directory_, kText);
  const std::string full(4096, 'a');
  log.WorkerOutput(1, false, full);
  EXPECT_THAT(Lines(workers_file_), IsEmpty());
  log.WorkerOutput(1, false, "\n");  // It just fits.
  log.WorkerOutput(1, false, absl::StrCat(full, "b\n"));
  const std::string prefix = "worker 1 stdout: ";
  EXPECT_THAT(Lines(workers_file_),
              ElementsAre(absl::StrCat(prefix, full), absl::StrCat(prefix, full),
                          absl::StrCat(prefix, "b")));
}

TEST_F(WorkerLogTest, WorkersAreCutAtOneMebibyte) {
  WorkerLog log(directory_, kText);
  for (int i = 0; i < 2000; ++i) log.WorkerOutput(1, true, std::string(1023, '\n'));
  log.WorkerOutput(1, false, "unheard");
  log.WorkerOutput(2, true, "heard\n");
  log.WorkerGone(1);
  EXPECT_LE(std::filesystem::file_size(workers_file_), (1 << 20) + 200);
  EXPECT_GE(std::filesystem::file_size(workers_file_), 1000 << 10);
  const std::vector<std::string> lines = Lines(workers_file_);
  ASSERT_GT(lines.size(), 3);
  EXPECT_EQ(lines[0], "worker 1 stderr: ");
  EXPECT_EQ(lines[lines.size() - 2], "worker 1 output: it has written much; the rest is dropped");
  EXPECT_EQ(lines.back(), "worker 2 stderr: heard");
}

TEST_F(WorkerLogTest, WorkersCannotForgeLines) {
  WorkerLog log(directory_, kText);
  log.WorkerOutput(1, true, "a\x1b]0;title\x07\rworker 2 {}\n");
  EXPECT_THAT(Lines(workers_file_),
              ElementsAre("worker 1 stderr: a\\x1b]0;title\\x07\\x0dworker 2 {}"));
}

TEST_F(WorkerLogTest, AsJson) {
  WorkerLog log(directory_, LogFormat::kJson);
  log.WorkerOutput(1, false, "say \"hi\"\n");
  EXPECT_THAT(Read(workers_file_), HasSubstr(R"(,"worker":1,"stream":"stdout","text":"say \"hi\""})"
                                             "\n"));
}

TEST_F(WorkerLogTest, FileIsPrivate) {
  ASSERT_TRUE(std::filesystem::create_directory(directory_));
  { std::ofstream(workers_file_) << "from before\n"; }
  ASSERT_EQ(chmod(workers_file_.c_str(), 0644), 0);
  const WorkerLog log(directory_, kText);
  EXPECT_EQ(Mode(workers_file_), 0600);
  EXPECT_EQ(Read(workers_file_), "from before\n");
}

TEST_F(WorkerLogTest, AFileThatWasMovedIsMadeAgainWhenItIsReopened) {
  WorkerLog log(directory_, kText);
  log.WorkerOutput(1, true, "before\nbroken ");
  const std::string moved = absl::StrCat(root_, "/moved");
  std::filesystem::rename(workers_file_, moved);
  log.Reopen();
  log.WorkerOutput(1, true, "line\n");
  EXPECT_THAT(Lines(moved), ElementsAre("worker 1 stderr: before"));
  EXPECT_THAT(Lines(workers_file_), ElementsAre("worker 1 stderr: broken line"));
  EXPECT_EQ(Mode(workers_file_), 0600);
}

TEST_F(WorkerLogTest, AFileThatCannotBeOpenedIsAWarning) {
  { std::ofstream(directory_) << "not a directory"; }
  LogOptions options = Options("", LogLevel::kWarning);
  options.to_stderr = true;
  InitLogging(options);
  testing::internal::CaptureStderr();
  WorkerLog log(directory_, kText);
  log.WorkerOutput(1, true, "lost\n");
  log.WorkerGone(1);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr(absl::StrCat("cannot log to ", workers_file_)));

  std::filesystem::remove(directory_);
  log.Reopen();
  log.WorkerOutput(1, true, "not lost\n");
  EXPECT_THAT(Lines(workers_file_), ElementsAre("worker 1 stderr: not lost"));
}

TEST_F(WorkerLogTest, WithoutADirectoryThereIsNoFile) {
  WorkerLog log("", kText);
  log.WorkerOutput(1, true, "nowhere\n");
  log.WorkerGone(1);
  log.Reopen();
  EXPECT_FALSE(std::filesystem::exists(directory_));
}

}  // namespace
}  // namespace holdfast
