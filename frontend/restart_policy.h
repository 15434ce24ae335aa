// When to spawn the next worker, given how the last ones failed to start.
//
// Only start-up failures count: exits before the first answer to Describe, or while idle. An exit
// while leased belongs to the session's program and never delays a spawn. The rule:
//
//   failures since the last success | ready           | next spawn, after the last failure
//   --------------------------------|-----------------|------------------------------------------
//   none                            | yes             | now
//   n                               | while n < burst | initial_backoff * 2^(n-1) <= max_backoff
//   the last one was permanent      | no              | max_backoff
//
// It never gives up: at worst a spawn probes every max_backoff, and one success ends it. The count
// is of consecutive failures, not of failures within some time, because starts that hang until
// their time-out would never come close enough together. There is no jitter: all spawns of a
// machine go through one pool, so nobody is there to collide with.
#ifndef HOLDFAST_FRONTEND_RESTART_POLICY_H_
#define HOLDFAST_FRONTEND_RESTART_POLICY_H_

#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"

namespace holdfast {

struct RestartPolicyOptions {
  // So many failures in a row make the service not ready.
  int burst = 5;
  // A worker has succeeded once it was leased, or has been up this long. (If its answer to Describe
  // were enough, workers that die soon after it would be respawned without back-off growing.)
  absl::Duration window = absl::Seconds(10);
  absl::Duration initial_backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(5);
};

struct RestartDecision {
  bool ready;           // False: calls that need a new worker should fail at once.
  absl::Time spawn_at;  // Never before `now`.
};

// The rule above, a pure function. `failures`: since the last success, oldest first; `permanent`:
// the last of them is. All times are of one clock.
RestartDecision DecideRestart(const RestartPolicyOptions& options,
                              absl::Span<const absl::Time> failures, bool permanent,
                              absl::Time now);

// Whether trying again is pointless until somebody mends the installation: the program could not be
// executed, or a shell or the dynamic linker said so (126, 127: not executable, not found, a
// missing library). `exit_code` counts only if `signal` is 0.
bool IsPermanentStartFailure(int exit_code, int signal);

// The failures since the last success, for a pool that starts several workers at once: those that
// fail together count once, or a single hiccup of the machine would use up the burst. Bounded in
// size. Not thread-safe.
class StartFailureLog {
 public:
  explicit StartFailureLog(const RestartPolicyOptions& options) : options_(options) {}

  void Failed(absl::Time when, bool permanent);
  void Succeeded() { failures_.clear(); }
  bool empty() const { return failures_.empty(); }
  RestartDecision Decide(absl::Time now) const;

 private:
  RestartPolicyOptions options_;
  std::vector<absl::Time> failures_;
  bool permanent_ = false;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_RESTART_POLICY_H_
