#include "frontend/holdfastctl/table.h"

#include <locale.h>
#include <wchar.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "common/utf8.h"

namespace holdfast {
namespace {

constexpr char kGap[] = "  ";
constexpr int kGapWidth = 2;
constexpr char kOmission[] = "...";
constexpr int kOmissionWidth = 3;
// Narrower, a name says nothing.
constexpr int kMinNameWidth = 12;

// The columns of a character, whatever the user's locale; -1: it is not to be shown.
int WidthOfCharacter(char32_t character) {
  static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (character >= 0x20 && character < 0x7f) return 1;
  if (character == 0 || IsFormatCharacter(character) || utf8 == nullptr) return -1;
  const locale_t before = uselocale(utf8);
  const int width = wcwidth(static_cast<wchar_t>(character));
  uselocale(before);
  return width;
}

std::string Spaces(int count) { return std::string(std::max(0, count), ' '); }

// The characters of showable text, from either end, that take at most `width` columns together.
absl::string_view Beginning(absl::string_view text, int width) {
  absl::string_view rest = text;
  while (!rest.empty()) {
    absl::string_view after = rest;
    width -= std::max(0, WidthOfCharacter(TakeCharacter(&after).value_or('?')));
    if (width < 0) break;
    rest = after;
  }
  return text.substr(0, text.size() - rest.size());
}

absl::string_view End(absl::string_view text, int width) {
  absl::string_view rest = text;
  for (int total = WidthOf(text); total > width;) {
    total -= std::max(0, WidthOfCharacter(TakeCharacter(&rest).value_or('?')));
  }
  return rest;
}

}  // namespace

std::string Showable(absl::string_view text) {
  std::string showable;
  showable.reserve(text.size());
  while (!text.empty()) {
    const absl::string_view before = text;
    const absl::optional<char32_t> character = TakeCharacter(&text);
    if (character.has_value() && WidthOfCharacter(*character) >= 0) {
      showable.append(before.data(), before.size() - text.size());
      continue;
    }
    const uint32_t code = character.value_or(static_cast<uint8_t>(before[0]));
    showable += code > 0xff ? absl::StrFormat("\\u%04x", code) : absl::StrFormat("\\x%02x", code);
  }
  return showable;
}

int WidthOf(absl::string_view showable) {
  int width = 0;
  while (!showable.empty()) {
    width += std::max(0, WidthOfCharacter(TakeCharacter(&showable).value_or('?')));
  }
  return width;
}

std::string CutMiddle(absl::string_view showable, int width) {
  if (WidthOf(showable) <= width) return std::string(showable);
  const int shown = std::max(0, width - kOmissionWidth);
  // Paths and the like differ at their ends.
  const int end = shown - shown / 3;
  return absl::StrCat(Beginning(showable, shown / 3), kOmission, End(showable, end));
}

std::string CutEnd(absl::string_view showable, int width) {
  if (WidthOf(showable) <= width) return std::string(showable);
  return absl::StrCat(Beginning(showable, std::max(0, width - kOmissionWidth)), kOmission);
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  AddRow(titles);
}

void Table::AddRow(const std::vector<std::string>& cells) {
  std::vector<std::string>& row = rows_.emplace_back();
  for (size_t i = 0; i < columns_.size(); ++i) {
    row.push_back(i < cells.size() ? Showable(cells[i]) : "");
  }
}

std::vector<int> Table::Fit(int width) const {
  std::vector<int> widths(columns_.size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], WidthOf(row[i]));
  }
  const int gaps = kGapWidth * (static_cast<int>(columns_.size()) - 1);
  int excess = std::accumulate(widths.begin(), widths.end(), gaps) - width;
  // The widest gives way first.
  while (excess > 0) {
    int* widest = nullptr;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const bool can_shrink = columns_[i].kind == Kind::kName && widths[i] > kMinNameWidth;
      if (can_shrink && (widest == nullptr || widths[i] > *widest)) widest = &widths[i];
    }
    if (widest == nullptr) break;
    --*widest;
    --excess;
  }
  return widths;
}

std::vector<std::string> Table::Lines(int width) const {
  const std::vector<int> widths = Fit(width);
  std::vector<std::string> lines;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string cell = CutMiddle(row[i], widths[i]);
      const std::string padding = Spaces(widths[i] - WidthOf(cell));
      const bool is_right = columns_[i].kind == Kind::kNumber;
      absl::StrAppend(&line, i == 0 ? "" : kGap, is_right ? padding : "", cell,
                      is_right ? "" : padding);
    }
    lines.push_back(CutEnd(absl::StripTrailingAsciiWhitespace(line), width));
  }
  return lines;
}

std::string JoinLines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) absl::StrAppend(&text, line, "\n");
  return text;
}

}  // namespace holdfast
