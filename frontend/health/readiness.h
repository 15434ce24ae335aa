// Whether workers can be had: what probes and balancers ask for. A service that is full is ready
// all the same, for a balancer that took it out would cut off the sessions that it has.
#ifndef HOLDFAST_FRONTEND_HEALTH_READINESS_H_
#define HOLDFAST_FRONTEND_HEALTH_READINESS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "frontend/health/liveness.h"

namespace holdfast {

enum class ReadyState {
  kStarting,  // No worker has answered yet.
  kReady,
  kNotReady,  // Workers cannot be started.
  kDraining,  // The service is about to end. There is no way back.
};
// "starting", "ready", …
absl::string_view ReadyStateName(ReadyState state);

// Thread-safe.
class Readiness {
 public:
  struct Snapshot {
    ReadyState state = ReadyState::kStarting;
    std::string reason = "no worker has answered yet";  // For people. Empty: it is ready.
    bool is_stuck = false;  // A thread stands still, so that it is not ready whatever the state.

    bool is_ready() const { return state == ReadyState::kReady && !is_stuck; }
  };
  using Observer = std::function<void(const Snapshot&)>;

  // `liveness` outlives it. Null: nothing ever stands still.
  explicit Readiness(const Liveness* liveness = nullptr) : liveness_(liveness) {}

  void SetReady();
  void SetNotReady(absl::string_view reason);
  void SetDraining();

  Snapshot Get() const;
  // Of that the state alone, at no cost: a thread may stand still.
  ReadyState state() const;

  // Runs `observer` now and at each change, one after another, on the thread that makes the change
  // and under the mutex: it must not block, nor call this object. Nobody notices when a thread
  // comes to stand still: only Get() tells that.
  void Observe(Observer observer);

 private:
  void Set(ReadyState state, absl::string_view reason);

  const Liveness* const liveness_;
  mutable absl::Mutex mutex_;
  Snapshot snapshot_ ABSL_GUARDED_BY(mutex_);
  std::vector<Observer> observers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HEALTH_READINESS_H_
