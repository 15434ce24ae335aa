// What a benchmark tells: figures, each perhaps with a target.
#ifndef HOLDFAST_TESTS_BENCH_FIGURES_H_
#define HOLDFAST_TESTS_BENCH_FIGURES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace holdfast {

// What the values should be.
struct Target {
  enum Kind { kAtMost, kAtLeast };
  Kind kind;
  double value;
};

// Prints one figure, a line of a table, and adds it to the file --json, as an object of the form
// {"figure": "...", "value": 1.5, "unit": "ms", "target": 6, "kind": "at most"}. Without a target
// both target and kind ("at most" or "at least") are missing.
void Tell(absl::string_view figure, double value, absl::string_view unit,
          absl::optional<Target> target = absl::nullopt);

// As "`figure`, p50", p99 and max; the target is that of the median. `values` is not empty.
void TellSpread(absl::string_view figure, std::vector<double> values, absl::string_view unit,
                absl::optional<Target> target = absl::nullopt);

// Of at least one value; q is 0 to 1.
double Quantile(std::vector<double> values, double q);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_BENCH_FIGURES_H_
