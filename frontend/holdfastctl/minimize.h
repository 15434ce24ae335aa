// Delta debugging: finds what of a sequence it takes to make a test fail. Pure.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_MINIMIZE_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_MINIMIZE_H_

#include <functional>
#include <vector>

#include "absl/types/optional.h"

namespace holdfast {

// Whether the elements with these indices, ascending, still fail. nullopt: stop, and keep what has
// been reached.
using MinimizeTest = std::function<absl::optional<bool>(const std::vector<int>& kept)>;

struct MinimizeResult {
  std::vector<int> kept;    // Ascending.
  int tests = 0;            // How often the test was asked. Never twice for the same elements.
  bool is_minimal = false;  // Without any one of `kept` the test passes. False only if stopped.
};

// ddmin (Zeller and Hildebrandt, 2002) over the indices 0 to size - 1, which together must fail:
// that is not tested. What is kept was the last to fail, unless nothing could be left out.
MinimizeResult Minimize(int size, const MinimizeTest& test);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_MINIMIZE_H_
