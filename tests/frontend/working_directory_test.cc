#include "frontend/working_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::IsSupersetOf;
using testing::Not;
using testing::SizeIs;

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
    const std::string left = WorkingDirectory::kScratchPrefix + std::string("aB3xyZ");
    fs::create_directories(path_ + below + "/" + left + "/worker-1/scratch");
    std::ofstream(path_ + below + "/" + left + "/worker-1/scratch/program.c") << "int x;";
    const std::vector<std::string> others = {"scratch", "scratch-aB3xyZ", left + "x",
                                             WorkingDirectory::kScratchPrefix};
    for (const std::string& other : others) fs::create_directory(path_ + below + "/" + other);
    const auto directory = WorkingDirectory::Make(path_);
    ASSERT_TRUE(directory.ok()) << directory.status();
    EXPECT_THAT(Entries(below), Not(Contains(left)));
    EXPECT_THAT(Entries(below), IsSupersetOf(others));
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

TEST_F(WorkingDirectoryTest, PathsThatCannotBeHadAreNamed) {
  std::ofstream(path_ + "/file") << "precious";
  for (const std::string name : {"/file", "/file/below"}) {
    const absl::Status status = WorkingDirectory::Make(path_ + name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(status.message(), "--working_dir: cannot make " + path_ + name + ": Not a directory");
  }
}

// As CompilerGym's client may make it: each service has a directory, and all have one `disk`.
TEST_F(WorkingDirectoryTest, LeavesTheScratchDataOfOthersInASharedPlace) {
  fs::create_directory(path_ + "/shared");
  const auto make = [this](const std::string& name) {
    fs::create_directory(path_ + "/" + name);
    std::error_code is_there;
    fs::create_directory_symlink(path_ + "/shared", path_ + "/" + name + "/disk", is_there);
    return WorkingDirectory::Make(path_ + "/" + name);
  };
  const auto first = make("first");
  ASSERT_TRUE(first.ok()) << first.status();
  {
    const auto second = make("second");
    ASSERT_TRUE(second.ok()) << second.status();
    EXPECT_NE(first->scratch(), second->scratch());
    EXPECT_THAT(Entries("/shared"), SizeIs(2));
  }
  // The second has not removed its own, as if it was killed; the first is there still.
  const auto second = make("second");
  EXPECT_THAT(Entries("/shared"), SizeIs(2));
  EXPECT_TRUE(
      fs::is_directory(path_ + "/shared/" + fs::path(first->scratch()).filename().string()));
}

}  // namespace
}  // namespace holdfast
