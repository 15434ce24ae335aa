// A directory for logs, and what is in it.
#ifndef HOLDFAST_TESTS_FRONTEND_LOGGING_LOG_FIXTURE_H_
#define HOLDFAST_TESTS_FRONTEND_LOGGING_LOG_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "frontend/logging/log.h"

namespace holdfast {

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
    InitLogging(Options("", LogLevel::kWarning));
    std::filesystem::remove_all(root_);
  }

  // Repeats are not limited.
  static LogOptions Options(const std::string& directory, LogLevel level = LogLevel::kInfo) {
    LogOptions options;
    options.directory = directory;
    options.levels.base = level;
    options.repeats.burst = std::numeric_limits<double>::infinity();
    return options;
  }

  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static int Mode(const std::string& path) {
    struct stat status = {};
    stat(path.c_str(), &status);
    return status.st_mode & 0777;
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

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_FRONTEND_LOGGING_LOG_FIXTURE_H_
