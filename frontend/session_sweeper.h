// Ends sessions that clients forgot, and parks those that are idle.
#ifndef HOLDFAST_FRONTEND_SESSION_SWEEPER_H_
#define HOLDFAST_FRONTEND_SESSION_SWEEPER_H_

#include "absl/time/time.h"
#include "frontend/clock.h"
#include "frontend/metrics/metrics.h"
#include "frontend/session_table.h"

namespace holdfast {

// Confined to the supervision thread. All that it is given outlives it.
class SessionSweeper {
 public:
  struct Timeouts {
    absl::Duration end;   // --session_idle_timeout. 0: never.
    absl::Duration park;  // --park_after. 0: never.
  };

  SessionSweeper(Clock* clock, SessionTable* table, Metrics* metrics, const Timeouts& timeouts)
      : clock_(clock), table_(table), metrics_(metrics), timeouts_(timeouts) {}

  // Once: from now on. The clock forgets its timers when it ends.
  void Start();

 private:
  void EndIdle();
  void ParkIdle();

  Clock* const clock_;
  SessionTable* const table_;
  Metrics* const metrics_;
  const Timeouts timeouts_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SESSION_SWEEPER_H_
