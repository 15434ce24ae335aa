// When to take a fingerprint: so rarely that it costs next to nothing.
#ifndef HOLDFAST_WORKER_FINGERPRINT_BUDGET_H_
#define HOLDFAST_WORKER_FINGERPRINT_BUDGET_H_

#include "absl/time/time.h"

namespace holdfast {

// Over the steps of a session, fingerprints may take 2 % of the time of the steps. The first is
// free: it tells what they cost.
class FingerprintBudget {
 public:
  // After a step of that duration: whether to take one now.
  bool Allows(absl::Duration step_time) {
    saved_ += kShare * step_time;
    return saved_ >= last_cost_;
  }
  // One was taken, at that cost.
  void Spend(absl::Duration cost) {
    saved_ = absl::ZeroDuration();
    last_cost_ = cost;
  }

 private:
  static constexpr double kShare = 0.02;

  absl::Duration saved_;
  absl::Duration last_cost_;
};

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_FINGERPRINT_BUDGET_H_
