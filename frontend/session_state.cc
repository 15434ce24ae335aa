#include "frontend/session_state.h"

namespace holdfast {
namespace {

// legal[from][to]
constexpr bool kLegal[kSessionStates][kSessionStates] = {
    //                  Parked Materi Reside Busy   Recove Lost   Ended
    /* Parked */ {false, true, false, false, false, false, true},
    /* Materialising */ {true, false, true, false, false, true, true},
    /* Resident */ {true, false, false, true, false, false, true},
    /* Busy */ {true, false, true, false, true, false, true},
    /* Recovering */ {true, false, true, false, false, true, true},
    /* Lost */ {false, false, false, false, false, false, true},
    /* Ended */ {false, false, false, false, false, false, false},
};

}  // namespace

absl::string_view SessionStateName(SessionState state) {
  constexpr absl::string_view kNames[kSessionStates] = {
      "parked", "materialising", "resident", "busy", "recovering", "lost", "ended"};
  return kNames[static_cast<int>(state)];
}

bool IsLegalTransition(SessionState from, SessionState to) {
  return kLegal[static_cast<int>(from)][static_cast<int>(to)];
}

}  // namespace holdfast
