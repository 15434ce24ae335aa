#include "common/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace holdfast {
namespace {

TEST(Utf8Test, TakesCharactersOfAllLengths) {
  absl::string_view text = u8"aß\u20ac\U0001f600";
  EXPECT_EQ(TakeCharacter(&text), U'a');
  EXPECT_EQ(TakeCharacter(&text), U'\u00df');
  EXPECT_EQ(TakeCharacter(&text), U'\u20ac');
  EXPECT_EQ(TakeCharacter(&text), U'\U0001f600');
  EXPECT_TRUE(text.empty());
}

TEST(Utf8Test, BytesThatAreNoCharacterAreTakenOneByOne) {
  for (const std::string bad : {
           "\x80",                  // A continuation of nothing.
           "\xc3",                  // Cut.
           "\xe2\x82",              // Likewise.
           "\xc0\xaf",              // More bytes than '/' needs.
           "\xe0\x80\xaf",          // Likewise.
           "\xed\xa0\x80",          // Half of a pair of UTF-16.
           "\xf4\x90\x80\x80",      // Beyond Unicode.
           "\xf8\x88\x80\x80\x80",  // Of five bytes.
           "\xff",
       }) {
    absl::string_view text = bad;
    EXPECT_EQ(TakeCharacter(&text), absl::nullopt) << bad.size();
    EXPECT_EQ(text.size(), bad.size() - 1);
    EXPECT_EQ(ToUtf8("a" + bad + "b"), "a" + std::string(bad.size(), '?') + "b");
  }
}

TEST(Utf8Test, LeavesGoodTextAsItIs) {
  const std::string good = u8"grüße, \u4e16\u754c\n";
  EXPECT_EQ(ToUtf8(good), good);
  EXPECT_EQ(ToUtf8(""), "");
  EXPECT_EQ(ToUtf8(std::string("a\0b", 3)), std::string("a\0b", 3));
}

}  // namespace
}  // namespace holdfast
