// When to take a fingerprint: so rarely that it costs next to nothing.
#ifndef HOLDFAST_WORKER_FINGERPRINT_BUDGET_H_
#define HOLDFAST_WORKER_FINGERPRINT_BUDGET_H_

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace holdfast {

// Over the steps of a session, fingerprints may take 2 % of the time of the steps. The first two
// are free, and the lesser of the last two tells what they cost, for any one may have been
// interrupted. Free are all that cost less than a tenth of what the call itself does, however short
// the step.
class FingerprintBudget {
 public:
  // After a step of that duration: whether to take one now.
  bool Allows(absl::Duration step_time) {
    saved_ += kShare * step_time;
    return taken_ < 2 || cost_ <= kFree || saved_ >= cost_;
  }
  // One was taken, at that cost.
  void Spend(absl::Duration cost) {
    saved_ = absl::ZeroDuration();
    cost_ = taken_ == 0 ? cost : std::min(cost, last_cost_);
    last_cost_ = cost;
    ++taken_;
  }

 private:
  static constexpr double kShare = 0.02;
  static constexpr absl::Duration kFree = absl::Microseconds(10);

  absl::Duration saved_;
  absl::Duration last_cost_;
  absl::Duration cost_;
  int64_t taken_ = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_FINGERPRINT_BUDGET_H_
