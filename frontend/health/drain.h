// The orderly end of a service, in phases.
//
//   Serving --> Draining --> Closing --> Aborting --> Ended
//      |            |           |  (no call left)       ^
//      |            |           +-----------------------+
//      +------------+--> Closing, Aborting  (hurried)
#ifndef HOLDFAST_FRONTEND_HEALTH_DRAIN_H_
#define HOLDFAST_FRONTEND_HEALTH_DRAIN_H_

#include <functional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "frontend/clock.h"

namespace holdfast {

enum class DrainPhase {
  kServing,
  kDraining,  // Not ready, so that balancers look elsewhere; everything is served as before.
  kClosing,   // New calls are refused, open ones go on.
  kAborting,  // Open calls are answered, whatever they were at.
  kEnded,     // Sessions, workers and the service itself are ended.
};
inline constexpr int kDrainPhases = 5;
// "serving", "draining", …
absl::string_view DrainPhaseName(DrainPhase phase);
bool IsLegalTransition(DrainPhase from, DrainPhase to);

// Confined to the supervision thread.
class Drain {
 public:
  // Who probes each second or two takes so long to look elsewhere: even without a session, the
  // service goes on for as long, or for `session_timeout` if that is shorter.
  static constexpr absl::Duration kNotice = absl::Seconds(5);
  // How long clients may take for the answers to calls that were aborted.
  static constexpr absl::Duration kAnswerTimeout = absl::Seconds(1);

  struct Timeouts {
    absl::Duration sessions;  // --session_drain_timeout: of kDraining. 0: it is left out.
    absl::Duration calls;     // --drain_timeout: of kClosing.
  };
  struct Actions {
    std::function<void()> tell_not_ready;
    std::function<int()> count_sessions;
    // `on_idle` runs, on any thread, once no call is open.
    std::function<void(absl::AnyInvocable<void()> on_idle)> refuse_calls;
    std::function<void()> abort_calls;
    std::function<void()> end;
    // Runs work on the supervision thread.
    std::function<void(absl::AnyInvocable<void()>)> post;
  };

  // `clock` outlives it, and forgets its timers when it ends.
  Drain(Clock* clock, const Timeouts& timeouts, Actions actions);

  // An operator asks for the end. Again: nothing happens.
  void Begin(absl::string_view why);
  // SIGTERM or SIGINT. The first one begins the drain, or finds it begun; another one does not wait
  // for sessions nor calls.
  void OnSignal(int signal);

  DrainPhase phase() const { return phase_; }

 private:
  void Transition(DrainPhase to);
  void WatchSessions();
  void Close();
  void Abort();
  void End();

  Clock* const clock_;
  const Timeouts timeouts_;
  const Actions actions_;
  DrainPhase phase_ = DrainPhase::kServing;
  absl::Time began_;
  bool had_signal_ = false;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HEALTH_DRAIN_H_
