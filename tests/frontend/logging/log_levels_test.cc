#include "frontend/logging/log_levels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace holdfast {
namespace {

using testing::AllOf;
using testing::HasSubstr;

LogLevels Parse(const std::string& text) {
  LogLevels levels;
  std::string error;
  EXPECT_TRUE(AbslParseFlag(text, &levels, &error)) << text << ": " << error;
  return levels;
}

TEST(LogLevelsTest, OneLevelIsForAll) {
  const std::pair<const char*, LogLevel> kCases[] = {{"debug", LogLevel::kDebug},
                                                     {"info", LogLevel::kInfo},
                                                     {"warning", LogLevel::kWarning},
                                                     {"error", LogLevel::kError}};
  for (const auto& [name, level] : kCases) {
    for (int i = 0; i < kSubsystems; ++i) {
      EXPECT_EQ(Parse(name).Of(static_cast<Subsystem>(i)), level) << name;
    }
  }
}

TEST(LogLevelsTest, SubsystemsHaveLevelsOfTheirOwnWhereverTheyStand) {
  for (const char* text : {"pool=debug,warning,session=error", "warning,session=error,pool=debug",
                           "error,pool=info,pool=debug,session=error,warning"}) {
    const LogLevels levels = Parse(text);
    EXPECT_EQ(levels.Of(Subsystem::kPool), LogLevel::kDebug) << text;
    EXPECT_EQ(levels.Of(Subsystem::kSession), LogLevel::kError) << text;
    EXPECT_EQ(levels.Of(Subsystem::kFront), LogLevel::kWarning) << text;
  }
  EXPECT_EQ(Parse("pool=debug").Of(Subsystem::kFront), LogLevel::kInfo) << "the default";
}

TEST(LogLevelsTest, EachSubsystemHasItsName) {
  std::set<absl::string_view> names;
  for (int i = 0; i < kSubsystems; ++i) {
    const auto subsystem = static_cast<Subsystem>(i);
    names.insert(SubsystemName(subsystem));
    const LogLevels levels = Parse("error," + std::string(SubsystemName(subsystem)) + "=debug");
    for (int k = 0; k < kSubsystems; ++k) {
      EXPECT_EQ(levels.Of(static_cast<Subsystem>(k)), k == i ? LogLevel::kDebug : LogLevel::kError);
    }
  }
  EXPECT_EQ(names.size(), kSubsystems);
  EXPECT_EQ(SubsystemName(Subsystem::kCrashReports), "crash_reports");
  EXPECT_EQ(SubsystemName(Subsystem::kLog), "log");
}

TEST(LogLevelsTest, WhatIsWrongIsNamedWithWhatIsAllowed) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "''"},
      {"loud", "'loud'"},
      {"info,", "''"},
      {"info,,error", "''"},
      {"info, error", "' error'"},
      {"INFO", "'INFO'"},
      {"pool", "'pool'"},
      {"info,pool=loud", "'pool=loud'"},
      {"info,no_part=debug", "'no_part=debug'"},
      {"pool=", "'pool='"},
      {"=debug", "'=debug'"},
      {"pool=debug=info", "'pool=debug=info'"},
      {"1", "'1'"},
  };
  for (const auto& [text, named] : kCases) {
    LogLevels levels;
    std::string error;
    EXPECT_FALSE(AbslParseFlag(text, &levels, &error)) << text;
    EXPECT_THAT(error, AllOf(HasSubstr(named), HasSubstr("debug, info, warning, error"),
                             HasSubstr("front, listener, pool, session")))
        << text;
  }
}

TEST(LogLevelsTest, UnparsedTheyAreTheSame) {
  EXPECT_EQ(AbslUnparseFlag(LogLevels()), "info");
  EXPECT_EQ(AbslUnparseFlag(Parse("session=warning,error,pool=debug")),
            "error,pool=debug,session=warning");
}

TEST(LogFormatTest, IsTextOrJson) {
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    LogFormat parsed = format == LogFormat::kText ? LogFormat::kJson : LogFormat::kText;
    std::string error;
    EXPECT_TRUE(AbslParseFlag(AbslUnparseFlag(format), &parsed, &error)) << error;
    EXPECT_EQ(parsed, format);
  }
  for (const char* text : {"", "xml", "JSON"}) {
    LogFormat format = LogFormat::kText;
    std::string error;
    EXPECT_FALSE(AbslParseFlag(text, &format, &error));
    EXPECT_EQ(error, "must be one of text, json");
  }
}

}  // namespace
}  // namespace holdfast
