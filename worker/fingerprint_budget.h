// When to take a fingerprint: so rarely that it costs next to nothing.
#ifndef HOLDFAST_WORKER_FINGERPRINT_BUDGET_H_
#define HOLDFAST_WORKER_FINGERPRINT_BUDGET_H_

#include "absl/time/time.h"

namespace holdfast {

// Over the steps of a session, fingerprints may take 2 % of the time of the steps. The first is
// free: it tells what they cost. Free are all that cost less than a tenth of what the call itself
// does, however short the step.
class FingerprintBudget {
 public:
  // After a step of that duration: whether to take one now.
  bool Allows(absl::Duration step_time) {
    saved_ += kShare * step_time;
    return last_cost_ <= kFree || saved_ >= last_cost_;
  }
  // One was taken, at that cost.
  void Spend(absl::Duration cost) {
    saved_ = absl::ZeroDuration();
    last_cost_ = cost;
  }

 private:
  static constexpr double kShare = 0.02;
  static constexpr absl::Duration kFree = absl::Microseconds(10);

  absl::Duration saved_;
  absl::Duration last_cost_;
};

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_FINGERPRINT_BUDGET_H_
