// A clock that stands still until a test moves it.
#ifndef HOLDFAST_FRONTEND_FAKE_CLOCK_H_
#define HOLDFAST_FRONTEND_FAKE_CLOCK_H_

#include <cstddef>
#include <map>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "frontend/clock.h"

namespace holdfast {

// One thread: the test's.
class FakeClock : public Clock {
 public:
  absl::Time Now() override { return now_; }
  TimerId RunAfter(absl::Duration delay, absl::AnyInvocable<void()> callback) override;
  void Cancel(TimerId timer) override;

  // Runs what is due within `duration`, each timer at its time, in order of time and then of its
  // setting; timers that these set are included. Advance(ZeroDuration()) runs what is due now.
  void Advance(absl::Duration duration);

  size_t pending() const { return timers_.size(); }
  // How long until the next timer is due: infinite without one.
  absl::Duration UntilNext() const;

 private:
  absl::Time now_ = absl::FromUnixSeconds(1'000'000'000);
  TimerId last_timer_ = 0;
  std::map<std::pair<absl::Time, TimerId>, absl::AnyInvocable<void()>> timers_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_FAKE_CLOCK_H_
