#include "frontend/logging/log_format.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/worker_failure.pb.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

std::string Format(LogFormat format, absl::string_view message,
                   std::initializer_list<LogField> fields) {
  return FormatLine(format, {absl::Now(), LogLevel::kInfo, Subsystem::kPool, message,
                             absl::MakeConstSpan(fields.begin(), fields.size())});
}

// Without time, level, subsystem and message.
std::string Text(std::initializer_list<LogField> fields) {
  const std::string line = Format(LogFormat::kText, "message", fields);
  const size_t message = line.find(" message ");
  return message == std::string::npos ? line : line.substr(message + 9);
}

Json Parse(const std::string& line) {
  Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  EXPECT_TRUE(json.is_object()) << line;
  return json;
}

Json Fields(std::initializer_list<LogField> fields) {
  return Parse(Format(LogFormat::kJson, "message", fields));
}

// Of each kind that could break a line, or that a terminal obeys.
std::string Nasty() {
  std::string nasty =
      "\n\r\x1b[2J\x7f\xc2\x9b"
      "1m\xff \"quoted\" back\\slash\t\xe2\x28 end=";
  nasty.push_back('\0');
  return nasty;
}

bool IsHarmless(const std::string& line) {
  return std::all_of(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) >= 0x20 && c != '\x7f') || c == '\t';
  });
}

TEST(LogFormatTest, TextHasTimeLevelSubsystemMessageAndFields) {
  const LogField fields[] = {{"worker", 7}, {"pid", 123}, {"took", absl::Milliseconds(12)}};
  const std::string line =
      FormatLine(LogFormat::kText, {absl::FromUnixMillis(1795780321123), LogLevel::kWarning,
                                    Subsystem::kPool, "worker is ready", fields});
  // The day and the hour depend on the zone.
  EXPECT_TRUE(absl::StartsWith(line, "2026-11-2")) << line;
  EXPECT_TRUE(absl::StrContains(line.substr(0, 24), ":01.123")) << line;
  EXPECT_EQ(line[10], 'T');
  EXPECT_EQ(line.substr(29), " warning pool          worker is ready worker=7 pid=123 took=12ms");
}

TEST(LogFormatTest, MessagesAreAlignedWhateverIsBeforeThem) {
  for (int level = 0; level < kLogLevels; ++level) {
    for (int subsystem = 0; subsystem < kSubsystems; ++subsystem) {
      const std::string line = FormatLine(LogFormat::kText, {absl::Now(),
                                                             static_cast<LogLevel>(level),
                                                             static_cast<Subsystem>(subsystem),
                                                             "message",
                                                             {}});
      EXPECT_EQ(line.find(" message"), 51) << line;
    }
  }
}

TEST(LogFormatTest, TextOfEachKindOfValue) {
  const std::string string = "s";
  EXPECT_EQ(Text({{"a", string}, {"b", "literal"}, {"c", absl::string_view("view")}}),
            "a=s b=literal c=view");
  EXPECT_EQ(Text({{"a", -1}, {"b", INT64_MIN}, {"c", UINT64_MAX}, {"d", uint8_t{200}}}),
            "a=-1 b=-9223372036854775808 c=18446744073709551615 d=200");
  EXPECT_EQ(Text({{"a", true}, {"b", false}, {"c", 0.25}, {"d", 1.5F}}),
            "a=true b=false c=0.25 d=1.5");
  EXPECT_EQ(Text({{"a", absl::Microseconds(12345)}, {"b", absl::Nanoseconds(-1234567)}}),
            "a=12.345ms b=-1.234ms");
  EXPECT_EQ(Text({{"a", absl::Nanoseconds(1500)}, {"b", absl::Seconds(90) + absl::Nanoseconds(1)}}),
            "a=1.5us b=1m30s");
  EXPECT_EQ(Text({{"a", absl::ZeroDuration()}, {"b", absl::InfiniteDuration()}}), "a=0 b=inf");
  EXPECT_EQ(Text({LogField::Session(INT64_MAX)}), "session=9223372036854775807");
}

TEST(LogFormatTest, TextHasQuotesWhereTheyAreNeeded) {
  EXPECT_EQ(Text({{"a", "two words"}, {"b", ""}, {"c", "x=y"}, {"d", "/plain:path,[1]"}}),
            R"(a="two words" b="" c="x=y" d=/plain:path,[1])");
  EXPECT_EQ(Text({{"a", R"(say "hi")"}, {"b", R"(back\slash)"}}),
            R"(a="say \"hi\"" b="back\\slash")");
}

TEST(LogFormatTest, TextKeepsWhatIsPrintable) {
  EXPECT_EQ(Text({{"a", "tab\tü€😀"}}), "a=\"tab\tü€😀\"");
}

TEST(LogFormatTest, NobodyCanForgeALineOrWriteToATerminal) {
  EXPECT_EQ(Text({{"a", "one\ntwo\x1b[2J\x7f\r"}}), R"(a="one\ntwo\x1b[2J\x7f\x0d")");
  EXPECT_EQ(Text({{"a",
                   "\xc2\x9b"
                   "1m"}}),
            R"(a="\xc2\x9b1m")")
      << "a control of ISO 6429";
  EXPECT_EQ(Text({{"a", "\xff\xe2\x28\xc3"}}), R"(a="\xff\xe2(\xc3")") << "not UTF-8";
  EXPECT_EQ(Text({{"a", u8"\u202e"}}), R"(a="\xe2\x80\xae")") << "from right to left";
  EXPECT_EQ(Text({{"a", u8"\u2028"}}), R"(a="\xe2\x80\xa8")") << "a line's end";
  EXPECT_EQ(Text({{"a", absl::string_view("\0", 1)}}), R"(a="\x00")");
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string nasty = Nasty();
    EXPECT_TRUE(IsHarmless(Format(format, nasty, {{"a", nasty}})));
    EXPECT_TRUE(IsHarmless(FormatWorkerLine(format, {absl::Now(), 1, "stderr", nasty})));
  }
}

TEST(LogFormatTest, JsonIsOneObject) {
  const LogField fields[] = {{"worker", 7}, {"took", absl::Milliseconds(1500)}};
  const std::string line =
      FormatLine(LogFormat::kJson, {absl::FromUnixMillis(1795780321123), LogLevel::kError,
                                    Subsystem::kCrashReports, "it happened", fields});
  EXPECT_TRUE(absl::StartsWith(line, R"({"time":"2026-11-2)")) << line;
  EXPECT_TRUE(absl::EndsWith(line, R"(","level":"error","subsystem":"crash_reports",)"
                                   R"("message":"it happened","worker":7,"took":1.5})"))
      << line;
}

TEST(LogFormatTest, JsonOfEachKindOfValue) {
  const Json json = Fields({{"text", "two \"words\""},
                            {"negative", INT64_MIN},
                            {"large", UINT64_MAX},
                            {"number", 0.25},
                            {"no_number", std::numeric_limits<double>::quiet_NaN()},
                            {"yes", true},
                            {"took", absl::Milliseconds(250)},
                            LogField::Session(INT64_MAX)});
  EXPECT_EQ(json["text"], "two \"words\"");
  EXPECT_EQ(json["negative"], INT64_MIN);
  EXPECT_EQ(json["large"], UINT64_MAX);
  EXPECT_EQ(json["number"], 0.25);
  EXPECT_TRUE(json["no_number"].is_null());
  EXPECT_EQ(json["yes"], true);
  EXPECT_EQ(json["took"], 0.25);
  EXPECT_EQ(json["session"], "9223372036854775807") << "many readers would round the number";
}

TEST(LogFormatTest, JsonIsAsciiAndReplacesWhatIsNotUtf8) {
  const std::string line = Format(LogFormat::kJson, "message", {{"a", Nasty()}, {"b", "ü😀"}});
  EXPECT_TRUE(std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7f; }))
      << line;
  const Json json = Parse(line);
  EXPECT_EQ(json["b"], "ü😀");
  EXPECT_TRUE(absl::StrContains(json["a"].get<std::string>(), "\xef\xbf\xbd")) << line;
}

WorkerFailure Failure() {
  WorkerFailure failure;
  failure.set_cause(WorkerFailure::SIGNAL);
  failure.set_signal(6);
  failure.set_peak_rss_bytes(int64_t{1} << 40);
  failure.set_cpu_seconds(1.5);
  failure.set_stderr_tail("what it\nsaid");
  failure.set_during("Step");
  failure.set_attempts(2);
  return failure;
}

TEST(LogFormatTest, ARecordIsInWordsInText) {
  EXPECT_EQ(Text({{"failure", Failure(), "killed by signal 6"}}),
            R"(failure="killed by signal 6")");
}

TEST(LogFormatTest, ARecordIsWholeInJson) {
  const Json json = Fields({{"failure", Failure(), "unused"}})["failure"];
  ASSERT_TRUE(json.is_object());
  const google::protobuf::Descriptor& record = *WorkerFailure::descriptor();
  EXPECT_EQ(json.size(), record.field_count());
  for (int i = 0; i < record.field_count(); ++i) {
    EXPECT_TRUE(json.contains(record.field(i)->name())) << record.field(i)->name();
  }
  EXPECT_EQ(json["cause"], "SIGNAL");
  EXPECT_EQ(json["signal"], 6);
  EXPECT_EQ(json["peak_rss_bytes"], "1099511627776");
  EXPECT_EQ(json["cpu_seconds"], 1.5);
  EXPECT_EQ(json["stderr_tail"], "what it\nsaid");
  EXPECT_EQ(json["during"], "Step");
  EXPECT_EQ(json["attempts"], 2);
  EXPECT_EQ(json["session_restored"], false);
}

TEST(LogFormatTest, ARecordMayHoldAnyBytes) {
  WorkerFailure failure = Failure();
  std::string garbage;
  for (int i = 0; i < 4096; ++i) garbage.push_back(static_cast<char>(i * 7));
  failure.set_stderr_tail(garbage);
  const Json json = Fields({{"failure", failure, "in words"}, {"after", 1}});
  EXPECT_EQ(json["after"], 1);
  ASSERT_TRUE(json["failure"].is_object()) << json["failure"];
  EXPECT_EQ(json["failure"]["signal"], 6);
}

TEST(LogFormatTest, WorkersLines) {
  const WorkerLine line = {absl::Now(), 7, "stderr", "said\t\"it\"\x1b"};
  EXPECT_EQ(FormatWorkerLine(LogFormat::kText, line).substr(29),
            " worker 7 stderr: said\t\"it\"\\x1b");
  const Json json = Parse(FormatWorkerLine(LogFormat::kJson, line));
  EXPECT_EQ(json.size(), 4);
  EXPECT_EQ(json["worker"], 7);
  EXPECT_EQ(json["stream"], "stderr");
  EXPECT_EQ(json["text"], "said\t\"it\"\x1b");
}

}  // namespace
}  // namespace holdfast
