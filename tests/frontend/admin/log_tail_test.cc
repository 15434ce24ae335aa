#include "frontend/admin/log_tail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LogTailTest : public testing::Test {
 protected:
  LogTailTest() : directory_(testing::TempDir() + "/log-XXXXXX") {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    path_ = directory_ + "/holdfast.log";
  }
  ~LogTailTest() override { std::filesystem::remove_all(directory_); }

  void Append(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
  // As spdlog does.
  void Rotate() { std::filesystem::rename(path_, directory_ + "/holdfast.1.log"); }
  // All that there is to read.
  static std::vector<std::string> ReadAll(LogTail* tail) {
    std::vector<std::string> all;
    while (true) {
      std::vector<std::string> lines = tail->Read();
      if (lines.empty()) return all;
      all.insert(all.end(), lines.begin(), lines.end());
    }
  }

  std::string directory_;
  std::string path_;
};

TEST_F(LogTailTest, BeginsSoManyLinesBeforeTheEnd) {
  Append("one\ntwo\nthree\n");
  const std::vector<std::string> all = {"one", "two", "three"};
  for (int lines = 0; lines <= 5; ++lines) {
    LogTail tail(path_, lines);
    const size_t expected = std::min<size_t>(lines, 3);
    EXPECT_EQ(ReadAll(&tail), std::vector<std::string>(all.end() - expected, all.end()));
    EXPECT_THAT(tail.Read(), IsEmpty());
  }
}

TEST_F(LogTailTest, FindsTheBeginningFarFromTheEnd) {
  std::vector<std::string> all;
  std::string text;
  for (int i = 0; i < 20000; ++i) {
    all.push_back("line " + std::to_string(i));
    text += all.back() + "\n";
  }
  ASSERT_GT(text.size(), 3 * LogTail::kMaxBytes);
  Append(text);
  for (const int lines : {1, 4999, 5000, 5001, 19999, 20000, 20001}) {
    LogTail tail(path_, lines);
    const size_t expected = std::min<size_t>(lines, all.size());
    EXPECT_EQ(ReadAll(&tail), std::vector<std::string>(all.end() - expected, all.end())) << lines;
  }
}

TEST_F(LogTailTest, GivesLinesOnceTheyAreComplete) {
  Append("one\ntw");
  LogTail tail(path_, 1);
  EXPECT_THAT(ReadAll(&tail), ElementsAre("one"));
  Append("o");
  EXPECT_THAT(ReadAll(&tail), IsEmpty());
  Append("\nthree\n");
  EXPECT_THAT(ReadAll(&tail), ElementsAre("two", "three"));
}

TEST_F(LogTailTest, GoesOnAfterARotation) {
  Append("one\n");
  LogTail tail(path_, 10);
  EXPECT_THAT(ReadAll(&tail), ElementsAre("one"));
  Append("two\n");
  Rotate();
  EXPECT_THAT(ReadAll(&tail), ElementsAre("two"));
  EXPECT_THAT(ReadAll(&tail), IsEmpty());  // There is no new file yet.
  Append("three\n");
  EXPECT_THAT(ReadAll(&tail), ElementsAre("three"));
}

TEST_F(LogTailTest, LosesNothingOfTheOldFile) {
  Append("one\n");
  LogTail tail(path_, 0);
  Append("two\nunfinished");
  Rotate();
  Append("three\n");
  EXPECT_THAT(ReadAll(&tail), ElementsAre("two", "unfinished", "three"));
}

TEST_F(LogTailTest, BeginsAnewWhenTheFileIsCut) {
  Append("one\ntwo\n");
  LogTail tail(path_, 0);
  EXPECT_THAT(ReadAll(&tail), IsEmpty());
  std::filesystem::resize_file(path_, 0);
  EXPECT_THAT(ReadAll(&tail), IsEmpty());
  Append("three\n");
  EXPECT_THAT(ReadAll(&tail), ElementsAre("three"));
}

TEST_F(LogTailTest, WaitsForAFileThatIsNotThere) {
  LogTail tail(path_, 10);
  EXPECT_THAT(tail.Read(), IsEmpty());
  Append("one\n");
  EXPECT_THAT(ReadAll(&tail), ElementsAre("one"));
}

TEST_F(LogTailTest, BoundsWhatItGivesAtOnce) {
  const std::string long_line(LogTail::kMaxBytes + 10, 'x');
  Append(long_line + "\n" + std::string(3 * LogTail::kMaxBytes, '\n'));
  LogTail tail(path_, 10000000);
  std::string first;
  size_t lines = 0;
  for (std::vector<std::string> read = tail.Read(); !read.empty(); read = tail.Read()) {
    size_t bytes = 0;
    for (const std::string& line : read) bytes += line.size() + 1;
    EXPECT_LE(bytes, 2 * LogTail::kMaxBytes + 2);
    for (const std::string& line : read) first += line;
    lines += read.size();
  }
  EXPECT_EQ(first, long_line);
  EXPECT_EQ(lines, 2 + 3 * LogTail::kMaxBytes);
}

TEST_F(LogTailTest, WhatItGivesIsUtf8) {
  Append(u8"gr\u00fc\xdf\n");
  LogTail tail(path_, 1);
  EXPECT_THAT(ReadAll(&tail), ElementsAre(u8"gr\u00fc?"));
}

}  // namespace
}  // namespace holdfast
