#include "frontend/holdfastctl/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace holdfast {
namespace {

using testing::ElementsAre;

TEST(ShowableTest, KeepsTextAndEscapesTheRest) {
  EXPECT_EQ(Showable("benchmark://x/1"), "benchmark://x/1");
  EXPECT_EQ(Showable(u8"gr\u00fc\u00dfe \u4e16\u754c"), u8"gr\u00fc\u00dfe \u4e16\u754c");
  EXPECT_EQ(Showable("a\x1b[2Jb\nc\td\x7f"), "a\\x1b[2Jb\\x0ac\\x09d\\x7f");
  EXPECT_EQ(Showable(std::string("\0", 1)), "\\x00");
  EXPECT_EQ(Showable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(Showable(u8"\u0085"), "\\x85");        // Another control character.
  EXPECT_EQ(Showable(u8"a\u202eb"), "a\\u202eb");  // From here to the left.
  EXPECT_EQ(Showable(u8"a\u200bb"), "a\\u200bb");  // Not to be seen.
  EXPECT_EQ(Showable(u8"a\u2066b"), "a\\u2066b");
}

TEST(WidthTest, CountsColumns) {
  EXPECT_EQ(WidthOf(""), 0);
  EXPECT_EQ(WidthOf("abc"), 3);
  EXPECT_EQ(WidthOf(u8"gr\u00fc\u00dfe"), 5);
  EXPECT_EQ(WidthOf(u8"\u4e16\u754c"), 4);  // Wide ones.
  EXPECT_EQ(WidthOf(u8"e\u0301"), 1);       // One that combines.
}

TEST(CutTest, LeavesWhatFits) {
  EXPECT_EQ(CutMiddle("12345", 5), "12345");
  EXPECT_EQ(CutEnd("12345", 5), "12345");
  EXPECT_EQ(CutMiddle("", 3), "");
}

TEST(CutTest, LeavesOutTheMiddleOrTheEnd) {
  EXPECT_EQ(CutMiddle("1234567890", 7), "1...890");
  EXPECT_EQ(CutMiddle("1234567890", 9), "12...7890");
  EXPECT_EQ(CutEnd("1234567890", 7), "1234...");
  EXPECT_EQ(CutMiddle("1234567890", 3), "...");
}

TEST(CutTest, CutsBetweenCharacters) {
  const std::string wide = u8"\u4e16\u754c\u4e16\u754c\u4e16\u754c";
  EXPECT_EQ(CutMiddle(wide, 9), u8"\u4e16...\u4e16\u754c");
  EXPECT_EQ(CutMiddle(wide, 8), u8"...\u4e16\u754c");  // Half a character is none.
  EXPECT_EQ(CutEnd(wide, 8), u8"\u4e16\u754c...");
}

TEST(TableTest, AlignsTextAndNumbers) {
  Table table({{"NAME", Table::Kind::kName}, {"N", Table::Kind::kNumber}, {"STATE"}});
  table.AddRow({"a", "1", "idle"});
  table.AddRow({"longer", "1234", "x"});
  table.AddRow({u8"\u4e16", "12", ""});
  EXPECT_THAT(table.Lines(), ElementsAre("NAME       N  STATE",  //
                                         "a          1  idle",   //
                                         "longer  1234  x",      //
                                         u8"\u4e16        12"));
}

TEST(TableTest, LongNamesGiveWay) {
  Table table({{"URI", Table::Kind::kName}, {"N", Table::Kind::kNumber}});
  table.AddRow({"benchmark://" + std::string(100, 'x') + "/the-end", "12345"});
  table.AddRow({"short", "1"});
  const std::vector<std::string> lines = table.Lines();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "URI" + std::string(71, ' ') + "     N");
  EXPECT_EQ(WidthOf(lines[1]), 80);
  EXPECT_THAT(lines[1], testing::StartsWith("benchmark://xxx"));
  EXPECT_THAT(lines[1], testing::HasSubstr("...x"));
  EXPECT_THAT(lines[1], testing::EndsWith("x/the-end  12345"));
}

TEST(TableTest, AMissingCellIsEmpty) {
  Table table({{"A"}, {"B"}});
  table.AddRow({"a"});
  EXPECT_THAT(table.Lines(), ElementsAre("A  B", "a"));
}

// Whatever is in it: no line is too long, and none breaks or moves the cursor.
TEST(TableTest, EveryLineFits) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<Table::Column> columns;
    for (unsigned i = 0; i < 1 + random() % 8; ++i) {
      columns.push_back({std::string(random() % 12, 'T'), Table::Kind(random() % 3)});
    }
    Table table(columns);
    for (unsigned row = 0; row < random() % 5; ++row) {
      std::vector<std::string> cells(columns.size());
      for (std::string& cell : cells) {
        const bool is_text = random() % 2 == 0;
        for (unsigned size = random() % 60; size > 0; --size) {
          constexpr const char* kPieces[] = {"x", u8"\u00fc", u8"\u4e16", u8"\u0301", "\x1b", "\n"};
          cell += is_text ? kPieces[random() % 6] : std::string(1, static_cast<char>(random()));
        }
      }
      table.AddRow(cells);
    }
    for (const int width : {40, 80, 120}) {
      for (const std::string& line : table.Lines(width)) {
        EXPECT_LE(WidthOf(line), width) << line;
        EXPECT_EQ(Showable(line), line);
      }
    }
  }
}

}  // namespace
}  // namespace holdfast
