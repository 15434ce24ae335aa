// The one place through which calls to workers start.
#ifndef HOLDFAST_FRONTEND_CALL_GATE_H_
#define HOLDFAST_FRONTEND_CALL_GATE_H_

#include <atomic>
#include <cstdint>

#include "absl/synchronization/mutex.h"

namespace holdfast {

// gRPC aborts the process if a call starts after its queue was shut down, so the gate is closed
// first, and waits for the calls under way. Thread-safe; no lock while it is open.
class CallGate {
 public:
  // False: closed. Otherwise the call is counted until Leave().
  bool Enter() {
    if ((entered_.fetch_add(1) & kClosed) == 0) return true;
    Leave();
    return false;
  }
  void Leave() {
    if (entered_.fetch_sub(1) - 1 == kClosed) absl::MutexLock wake(&mutex_);
  }
  // Closes the gate and waits until all calls have left. The queue must be served meanwhile.
  void CloseAndWait() {
    entered_.fetch_or(kClosed);
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](std::atomic<int64_t>* entered) { return *entered == kClosed; }, &entered_));
  }

 private:
  static constexpr int64_t kClosed = int64_t{1} << 62;

  std::atomic<int64_t> entered_{0};
  absl::Mutex mutex_;  // For who waits: a condition is looked at when it is unlocked.
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_CALL_GATE_H_
