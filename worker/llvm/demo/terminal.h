// What the search shows: a progress bar where a terminal can redraw it, plain lines elsewhere.
#ifndef HOLDFAST_WORKER_LLVM_DEMO_TERMINAL_H_
#define HOLDFAST_WORKER_LLVM_DEMO_TERMINAL_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "worker/llvm/demo/search.h"

namespace holdfast::demo {

inline constexpr int kColumns = 80;

struct Baselines {
  int64_t o0 = 0;
  int64_t o3 = 0;
  int64_t oz = 0;
};

// Draws progress on `out`. At most about ten times a second on a terminal; elsewhere one line for
// each tenth of the episodes.
class ProgressDisplay {
 public:
  ProgressDisplay(std::ostream& out, bool is_terminal, int episodes, Baselines baselines)
      : out_(out), is_terminal_(is_terminal), episodes_(episodes), baselines_(baselines) {}

  void Update(const SearchProgress& progress, absl::Time now);
  // Leaves the cursor at the start of a line.
  void Finish();

 private:
  std::string Line(const SearchProgress& progress) const;

  std::ostream& out_;
  const bool is_terminal_;
  const int episodes_;
  const Baselines baselines_;
  absl::Time last_ = absl::InfinitePast();
  int last_tenth_ = 0;
};

// The final report. `names` are the actions' names.
std::string Report(const SearchProgress& progress, const Baselines& baselines,
                   const std::vector<std::string>& names, absl::Duration elapsed);

// `words` with commas between them, indented and broken into lines of at most kColumns. A word that
// is too long for a line is broken after a semicolon.
std::string Wrap(const std::vector<std::string>& words, absl::string_view indent);

}  // namespace holdfast::demo

#endif  // HOLDFAST_WORKER_LLVM_DEMO_TERMINAL_H_
