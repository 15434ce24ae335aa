#include "frontend/working_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::Not;

class WorkingDirectoryTest : public testing::Test {
 protected:
  WorkingDirectoryTest() { EXPECT_NE(mkdtemp(path_.data()), nullptr); }
  ~WorkingDirectoryTest() override { fs::remove_all(path_); }

  std::vector<std::string> Entries(const std::string& below = "") const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path_ + below)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  std::string path_ = "/tmp/holdfast-working-directory-XXXXXX";
};

TEST_F(WorkingDirectoryTest, RemovesScratchDataThatWasLeft) {
  for (const std::string& below : {std::string(), std::string("/disk")}) {
    SCOPED_TRACE(below);
    fs::create_directories(path_ + below + "/scratch-aB3xyZ/worker-1/scratch");
    std::ofstream(path_ + below + "/scratch-aB3xyZ/worker-1/scratch/program.c") << "int x;";
    fs::create_directory(path_ + below + "/scratch-of-mine");
    fs::create_directory(path_ + below + "/scratch");
    const auto directory = WorkingDirectory::Make(path_);
    ASSERT_TRUE(directory.ok()) << directory.status();
    EXPECT_THAT(Entries(below), AllOf(Not(Contains("scratch-aB3xyZ")), Contains("scratch-of-mine"),
                                      Contains("scratch")));
    EXPECT_TRUE(fs::is_directory(directory->scratch()));
  }
}

TEST_F(WorkingDirectoryTest, LeavesTheScratchDataOfAServiceThatRuns) {
  const auto running = WorkingDirectory::Make(path_);
  ASSERT_TRUE(running.ok()) << running.status();
  const auto other = WorkingDirectory::Make(path_);
  EXPECT_EQ(other.status().code(), absl::StatusCode::kInvalidArgument) << other.status();
  EXPECT_TRUE(fs::is_directory(running->scratch()));
}

}  // namespace
}  // namespace holdfast
