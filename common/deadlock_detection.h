// Abseil's search for deadlocks.
#ifndef HOLDFAST_COMMON_DEADLOCK_DETECTION_H_
#define HOLDFAST_COMMON_DEADLOCK_DETECTION_H_

#include "absl/synchronization/mutex.h"

namespace holdfast {

// Only debug builds look for deadlocks. Debian's Abseil does by default, in gRPC as well, for 400
// bytes a mutex, as much again as a session, and a sixth of what a worker executes for a step. To
// be called at the start of a process.
inline void SpareDeadlockDetection() {
#ifdef NDEBUG
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
}

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_DEADLOCK_DETECTION_H_
