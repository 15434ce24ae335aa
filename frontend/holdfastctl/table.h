// Tables for a terminal, and text that may hold anything made fit for one.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_TABLE_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_TABLE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace holdfast {

// What most terminals have.
inline constexpr int kColumns = 80;

// Text as it may be shown: control characters, those that change the direction of what follows, and
// bytes that are not UTF-8 become "\x1b" or "\u202e". The others stay.
std::string Showable(absl::string_view text);

// How many columns showable text takes: two for wide characters, none for those that combine.
int WidthOf(absl::string_view showable);

// Showable text in at most `width` columns, at least 3: "..." stands for what was left out, in the
// middle or at the end.
std::string CutMiddle(absl::string_view showable, int width);
std::string CutEnd(absl::string_view showable, int width);

// Columns as wide as what is in them, two spaces apart. If a line would be too long the kName
// columns give way, then the line is cut.
class Table {
 public:
  enum class Kind {
    kText,    // To the left.
    kNumber,  // To the right.
    kName,    // To the left, and cut in the middle if need be: its beginning and its end tell.
  };
  struct Column {
    std::string title;
    Kind kind = Kind::kText;
  };

  explicit Table(std::vector<Column> columns);

  // As many cells as there are columns, of any text.
  void AddRow(const std::vector<std::string>& cells);

  // The line of titles and a line for each row, of at most `width` columns, without their ends.
  std::vector<std::string> Lines(int width = kColumns) const;

 private:
  // The widths of the columns in a line of at most `width`.
  std::vector<int> Fit(int width) const;

  const std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;  // The titles first. Showable.
};

// Each with its end.
std::string JoinLines(const std::vector<std::string>& lines);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_TABLE_H_
