#include "common/worker_progress.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace holdfast {
namespace {

class WorkerProgressTest : public testing::Test {
 protected:
  void TearDown() override {
    unlink(path_.c_str());
    rmdir(directory_.c_str());
  }

  // Must be valid words only where the test says so.
  void WriteFile(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  void WriteWord(uint64_t word) {
    WriteFile(std::string(reinterpret_cast<const char*>(&word), sizeof(word)));
  }
  void ExpectNone() {
    const WorkerProgress progress = ReadProgress(path_);
    EXPECT_EQ(progress.activity, WorkerFailure::NONE);
    EXPECT_EQ(progress.index, 0);
  }

  char template_[64] = "/tmp/worker-progress-XXXXXX";
  const std::string directory_ = mkdtemp(template_);
  const std::string path_ = directory_ + "/progress";
};

TEST_F(WorkerProgressTest, ReadsWhatWasSet) {
  absl::StatusOr<ProgressWriter> writer = ProgressWriter::Create(path_);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ExpectNone();
  for (int activity = WorkerFailure::Activity_MIN; activity <= WorkerFailure::Activity_MAX;
       ++activity) {
    for (const int32_t index : {0, 7, INT32_MAX}) {
      writer->Set(static_cast<WorkerFailure::Activity>(activity), index);
      EXPECT_EQ(ReadProgress(path_).activity, activity);
      EXPECT_EQ(ReadProgress(path_).index, index);
    }
  }
  writer->Set(WorkerFailure::NONE);
  ExpectNone();
}

TEST_F(WorkerProgressTest, OutlivesItsWriterKilled) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    absl::StatusOr<ProgressWriter> writer = ProgressWriter::Create(path_);
    if (!writer.ok()) _exit(1);
    writer->Set(WorkerFailure::INIT);
    writer->Set(WorkerFailure::ACTION, 41);
    if (write(ready[1], "x", 1) != 1) _exit(1);
    while (true) pause();
  }
  close(ready[1]);
  char byte;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  EXPECT_EQ(kill(pid, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status));
  const WorkerProgress progress = ReadProgress(path_);
  EXPECT_EQ(progress.activity, WorkerFailure::ACTION);
  EXPECT_EQ(progress.index, 41);
}

TEST_F(WorkerProgressTest, FileIsPrivateAndReplacesAnOlderOne) {
  WriteFile(std::string(100, '\xff'));
  chmod(path_.c_str(), 0600);
  absl::StatusOr<ProgressWriter> writer = ProgressWriter::Create(path_);
  ASSERT_TRUE(writer.ok()) << writer.status();
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(status.st_size, 8);
  ExpectNone();
}

TEST_F(WorkerProgressTest, MovesAndDoesNothingWithoutAFile) {
  ProgressWriter none;
  none.Set(WorkerFailure::ACTION, 1);  // Must not crash.
  absl::StatusOr<ProgressWriter> writer = ProgressWriter::Create(path_);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ProgressWriter moved = *std::move(writer);
  none = std::move(moved);
  none.Set(WorkerFailure::OBSERVATION, 3);
  EXPECT_EQ(ReadProgress(path_).activity, WorkerFailure::OBSERVATION);
  EXPECT_EQ(ReadProgress(path_).index, 3);
}

TEST_F(WorkerProgressTest, ErrorNamesThePath) {
  const absl::StatusOr<ProgressWriter> writer = ProgressWriter::Create(directory_ + "/no/such");
  ASSERT_FALSE(writer.ok());
  EXPECT_NE(writer.status().message().find(directory_ + "/no/such"), std::string::npos);
}

TEST_F(WorkerProgressTest, HostileFilesReadAsNone) {
  ExpectNone();  // Not there.
  WriteFile("");
  ExpectNone();
  WriteFile("\x01\x02\x03");
  ExpectNone();
  WriteWord(UINT64_MAX);
  ExpectNone();
  WriteWord(uint64_t{WorkerFailure::Activity_MAX + 1} << 32);
  ExpectNone();
  WriteWord(uint64_t{WorkerFailure::ACTION} << 32 | 0xffffffff);
  EXPECT_GE(ReadProgress(path_).index, 0);
  unlink(path_.c_str());
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  ExpectNone();
  unlink(path_.c_str());
  ASSERT_EQ(symlink("/dev/zero", path_.c_str()), 0);
  ExpectNone();
}

}  // namespace
}  // namespace holdfast
