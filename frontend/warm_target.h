// How many idle workers to keep ready. Pure, but for AvailableMemory().
//
// While one worker starts, rate * start time further ones are asked for: so many must be idle if
// nobody is to wait. Requests come at random, so two standard deviations more are kept. Workers
// that start in milliseconds hardly need this, however great the demand; those that take seconds
// do.
#ifndef HOLDFAST_FRONTEND_WARM_TARGET_H_
#define HOLDFAST_FRONTEND_WARM_TARGET_H_

#include <cstdint>

#include "absl/time/time.h"

namespace holdfast {

// Events per second, of late: an event counts less and less, so that the rate returns to 0.
class DecayingRate {
 public:
  // The age at which an event counts 1/e of what it did.
  static constexpr absl::Duration kMemory = absl::Seconds(10);

  // Times never go back.
  void Count(absl::Time now);
  double PerSecond(absl::Time now) const;

 private:
  double rate_ = 0;  // At `last_`.
  absl::Time last_ = absl::InfinitePast();
};

struct WarmDemand {
  double per_second = 0;      // Requests for a worker.
  absl::Duration start_time;  // Of a worker.
};

struct WarmBounds {
  int warm = 0;       // Kept whatever the demand and the memory.
  int max = 0;        // Of all workers.
  int leased = 0;     // Of these, in use.
  int in_memory = 0;  // For how many idle ones there is memory. See RoomFor().
};

int WarmTarget(const WarmDemand& demand, const WarmBounds& bounds);

// How many idle workers there may be: the `idle` ones that there are, and as many more as fit into
// half of what the machine has left. `worker_bytes`: the size of one; 0: not known, and no bound.
int RoomFor(int idle, int64_t available_bytes, int64_t worker_bytes);

// What the machine has left for new programs. INT64_MAX: not known.
int64_t AvailableMemory();

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_WARM_TARGET_H_
