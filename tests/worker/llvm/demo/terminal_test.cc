#include "worker/llvm/demo/terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "absl/strings/str_split.h"

namespace holdfast::demo {
namespace {

using testing::HasSubstr;
using testing::Not;

SearchProgress SomeProgress() {
  SearchProgress progress;
  progress.episodes = 5;
  progress.steps = 250;
  progress.original_cost = 123456789;
  progress.best_cost = 1234567;
  progress.best = std::vector<int>(40, 0);
  progress.crashes = {{1, 12345}};
  progress.timeouts = {{1, 2}};
  progress.refusals = 3;
  return progress;
}

const Baselines kBaselines = {123456789, 2345678, 1345678};

int Count(const std::string& text, char character) {
  return static_cast<int>(std::count(text.begin(), text.end(), character));
}

void ExpectNarrow(const std::string& text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_LE(line.size(), kColumns) << line;
  }
}

TEST(ProgressDisplay, RedrawsOneLineOnATerminal) {
  std::ostringstream out;
  ProgressDisplay display(out, /*is_terminal=*/true, 10, kBaselines);
  const absl::Time now = absl::UnixEpoch();
  display.Update(SomeProgress(), now);
  display.Update(SomeProgress(), now + absl::Milliseconds(1));  // Too soon.
  display.Update(SomeProgress(), now + absl::Milliseconds(200));
  EXPECT_EQ(Count(out.str(), '\r'), 2);
  EXPECT_EQ(Count(out.str(), '\n'), 0);
  EXPECT_THAT(out.str(), HasSubstr("[##########..........]   5/10  best 1234567"));
  display.Finish();
  EXPECT_EQ(out.str().back(), '\n');
}

TEST(ProgressDisplay, WritesPlainLinesElsewhere) {
  std::ostringstream out;
  ProgressDisplay display(out, /*is_terminal=*/false, 10, kBaselines);
  for (int i = 0; i < 10; ++i) display.Update(SomeProgress(), absl::UnixEpoch());
  display.Finish();
  EXPECT_EQ(Count(out.str(), '\n'), 1);
  EXPECT_THAT(out.str(), Not(HasSubstr("\r")));
  EXPECT_THAT(out.str(), Not(HasSubstr("\x1b")));
  ExpectNarrow(out.str());
}

TEST(Report, SaysItAllWithinTheColumns) {
  const std::string report =
      Report(SomeProgress(), kBaselines,
             {"instcombine<no-verify-fixpoint>", "trigger-crash-module"}, absl::Seconds(10));
  ExpectNarrow(report);
  EXPECT_THAT(report, HasSubstr("250 steps in 5 episodes, 10.0 s (25 steps/s)"));
  EXPECT_THAT(report, HasSubstr("8.3 % fewer than -Oz, and 47.4 % fewer than -O3"));
  EXPECT_THAT(report,
              HasSubstr("Compiler crashes survived: 12347\n  12347 x trigger-crash-module"));
  EXPECT_THAT(report, HasSubstr("3 episodes ended early"));
  EXPECT_THAT(report, HasSubstr("Best sequence (40 passes)"));
}

TEST(Report, OfNothing) {
  ExpectNarrow(Report(SearchProgress(), Baselines(), {}, absl::Seconds(1)));
}

TEST(Wrap, BreaksLines) {
  EXPECT_EQ(Wrap({}, "  "), "");
  EXPECT_EQ(Wrap({"a", "b"}, "  "), "  a, b\n");
  ExpectNarrow(Wrap(std::vector<std::string>(100, "licm"), "      "));
  const std::string option(30, 'x');
  EXPECT_EQ(Wrap({"a", option + ";" + option + ";" + option, "b"}, "  "),
            "  a, " + option + ";" + option + ";\n  " + option + ", b\n");
}

}  // namespace
}  // namespace holdfast::demo
