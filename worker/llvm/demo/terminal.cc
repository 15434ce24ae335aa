#include "worker/llvm/demo/terminal.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace holdfast::demo {
namespace {

constexpr int kProgressBar = 20;
constexpr int kCountBar = 40;

std::string Bar(int64_t part, int64_t whole, int width) {
  const int filled = whole > 0 ? static_cast<int>(std::min(part, whole) * width / whole) : 0;
  return std::string(filled, '#');
}

std::string CountLine(absl::string_view name, int64_t count, int64_t largest) {
  return absl::StrFormat("  %-8s %8d  %s\n", name, count, Bar(count, largest, kCountBar));
}

// "8.3 % fewer than", or "more".
std::string Compare(int64_t count, int64_t baseline) {
  if (baseline == 0) return "not comparable with";
  const double percent = 100.0 * static_cast<double>(baseline - count) / baseline;
  if (percent >= 0) return absl::StrFormat("%.1f %% fewer than", percent);
  return absl::StrFormat("%.1f %% more than", -percent);
}

}  // namespace

void ProgressDisplay::Update(const SearchProgress& progress, absl::Time now) {
  if (is_terminal_) {
    if (now - last_ < absl::Milliseconds(100) && progress.episodes < episodes_) return;
    last_ = now;
    out_ << "\r" << Line(progress) << "\x1b[K" << std::flush;
    return;
  }
  const int tenth = progress.episodes * 10 / std::max(episodes_, 1);
  if (tenth == last_tenth_) return;
  last_tenth_ = tenth;
  out_ << Line(progress) << std::endl;
}

void ProgressDisplay::Finish() {
  if (is_terminal_) out_ << std::endl;
}

std::string ProgressDisplay::Line(const SearchProgress& progress) const {
  std::string bar = Bar(progress.episodes, episodes_, kProgressBar);
  bar.resize(kProgressBar, '.');
  return absl::StrFormat("  [%s] %3d/%d  best %d (-Oz %d)  %d crashes", bar, progress.episodes,
                         episodes_, progress.best_cost, baselines_.oz, progress.CrashesSurvived());
}

std::string Report(const SearchProgress& progress, const Baselines& baselines,
                   const std::vector<std::string>& names, absl::Duration elapsed) {
  std::string text = absl::StrFormat(
      "\n%d steps in %d episodes, %.1f s (%.0f steps/s)\n\n", progress.steps, progress.episodes,
      absl::ToDoubleSeconds(elapsed), progress.steps / absl::ToDoubleSeconds(elapsed));
  const int64_t largest = std::max({baselines.o0, baselines.o3, baselines.oz, progress.best_cost});
  absl::StrAppend(&text, "Instructions of the program\n", CountLine("-O0", baselines.o0, largest),
                  CountLine("-O3", baselines.o3, largest), CountLine("-Oz", baselines.oz, largest),
                  CountLine("search", progress.best_cost, largest), "  The search has ",
                  Compare(progress.best_cost, baselines.oz), " -Oz, and ",
                  Compare(progress.best_cost, baselines.o3), " -O3.\n\n");

  absl::StrAppend(&text, "Compiler crashes survived: ", progress.CrashesSurvived(), "\n");
  std::map<int, int> failures = progress.crashes;
  for (const auto& [action, times] : progress.timeouts) failures[action] += times;
  for (const auto& [action, times] : failures) {
    absl::StrAppendFormat(&text, "  %5d x %s\n", times, names[action]);
  }
  if (progress.CrashesSurvived() > 0) {
    absl::StrAppend(&text, "  After each, its session went on with the next action.\n");
  }
  if (progress.refusals > 0) {
    absl::StrAppend(&text, "  ", progress.refusals,
                    " episodes ended early: LLVM produced invalid code and the session said so.\n");
  }

  std::vector<std::string> best;
  for (const int action : progress.best) best.push_back(names[action]);
  absl::StrAppend(&text, "\nBest sequence (", best.size(), " passes)\n", Wrap(best, "  "));
  return text;
}

std::string Wrap(const std::vector<std::string>& words, absl::string_view indent) {
  std::string text;
  std::string line(indent);
  const auto add = [&](absl::string_view piece, absl::string_view separator) {
    const bool empty = line.size() == indent.size();
    if (!empty && line.size() + separator.size() + piece.size() > kColumns) {
      absl::StrAppend(&text, line, "\n");
      line = absl::StrCat(indent, piece);
    } else {
      absl::StrAppend(&line, empty ? "" : separator, piece);
    }
  };
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string word = absl::StrCat(words[i], i + 1 < words.size() ? "," : "");
    if (indent.size() + word.size() <= kColumns) {
      add(word, " ");
      continue;
    }
    const std::vector<std::string> pieces = absl::StrSplit(word, ';');
    for (size_t k = 0; k < pieces.size(); ++k) {
      add(absl::StrCat(pieces[k], k + 1 < pieces.size() ? ";" : ""), k == 0 ? " " : "");
    }
  }
  if (line.size() > indent.size()) absl::StrAppend(&text, line, "\n");
  return text;
}

}  // namespace holdfast::demo
