// Time, as the supervision code sees it. One of the three seams for tests.
#ifndef HOLDFAST_FRONTEND_CLOCK_H_
#define HOLDFAST_FRONTEND_CLOCK_H_

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace holdfast {

// Used from the supervision thread only (the libuv loop's).
class Clock {
 public:
  using TimerId = uint64_t;  // Never 0, never reused.

  virtual ~Clock() = default;

  // Monotonic: differences are meaningful, the calendar is not.
  virtual absl::Time Now() = 0;

  // Runs `callback` once, on the supervision thread, after `delay` (at once if not positive, but
  // never from within this call).
  virtual TimerId RunAfter(absl::Duration delay, absl::AnyInvocable<void()> callback) = 0;

  // Forgets a timer; one that has run or was cancelled is ignored. Its callback does not run after.
  virtual void Cancel(TimerId timer) = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_CLOCK_H_
