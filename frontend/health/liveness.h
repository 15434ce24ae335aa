// Whether the threads that everything waits for still turn.
#ifndef HOLDFAST_FRONTEND_HEALTH_LIVENESS_H_
#define HOLDFAST_FRONTEND_HEALTH_LIVENESS_H_

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "frontend/clock.h"

namespace holdfast {

// Has both threads do a little work each second, and tells which of them did none for long.
class Liveness {
 public:
  static constexpr absl::Duration kPeriod = absl::Seconds(1);
  static constexpr absl::Duration kTooLong = absl::Seconds(10);

  // `clock` tells the time on any thread, outlives it, and forgets its timers when it ends.
  explicit Liveness(Clock* clock);

  // Once, on the supervision thread. `run_on_queue` runs work on the queue's thread, and is called
  // as long as the clock's timers are.
  void Start(std::function<void(absl::AnyInvocable<void()>)> run_on_queue);

  // Any thread. Which thread stands still, and for how long, for people; empty: none.
  std::string Complaint() const;

 private:
  void Beat();
  void QueueBeat();

  Clock* const clock_;
  std::function<void(absl::AnyInvocable<void()>)> run_on_queue_;
  mutable absl::Mutex mutex_;
  absl::Time supervision_ ABSL_GUARDED_BY(mutex_);  // When it last did its work.
  absl::Time queue_ ABSL_GUARDED_BY(mutex_);
  bool is_queue_asked_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HEALTH_LIVENESS_H_
