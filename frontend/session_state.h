// Where a session is in its life.
//
//   Parked --> Materialising --> Resident <--> Busy --> Recovering --> Resident
//      ^             |              |            |           |
//      +-------------+--------------+------------+-----------+--> Lost      (and any --> Ended)
#ifndef HOLDFAST_FRONTEND_SESSION_STATE_H_
#define HOLDFAST_FRONTEND_SESSION_STATE_H_

#include "absl/strings/string_view.h"

namespace holdfast {

enum class SessionState {
  kParked,         // A record only. No worker.
  kMaterialising,  // Being built on a worker, or waiting for one.
  kResident,       // On a worker, between calls.
  kBusy,           // In a call of its worker.
  kRecovering,     // As kMaterialising, within a call whose worker failed.
  kLost,           // Could not be rebuilt. A tombstone until EndSession.
  kEnded,
};
inline constexpr int kSessionStates = 7;

// "parked", "materialising", …
absl::string_view SessionStateName(SessionState state);
bool IsLegalTransition(SessionState from, SessionState to);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SESSION_STATE_H_
