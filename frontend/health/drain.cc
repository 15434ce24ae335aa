#include "frontend/health/drain.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/invariant.h"
#include "frontend/logging/log.h"

namespace holdfast {
namespace {

constexpr absl::Duration kWatchPeriod = absl::Milliseconds(100);

constexpr bool kLegal[kDrainPhases][kDrainPhases] = {
    // to: serving, draining, closing, aborting, ended
    {false, true, true, false, false},    // Serving
    {false, false, true, false, false},   // Draining
    {false, false, false, true, true},    // Closing
    {false, false, false, false, true},   // Aborting
    {false, false, false, false, false},  // Ended
};

}  // namespace

absl::string_view DrainPhaseName(DrainPhase phase) {
  constexpr absl::string_view kNames[] = {"serving", "draining", "closing", "aborting", "ended"};
  return kNames[static_cast<int>(phase)];
}

bool IsLegalTransition(DrainPhase from, DrainPhase to) {
  return kLegal[static_cast<int>(from)][static_cast<int>(to)];
}

Drain::Drain(Clock* clock, const Timeouts& timeouts, Actions actions)
    : clock_(clock), timeouts_(timeouts), actions_(std::move(actions)) {}

void Drain::Transition(DrainPhase to) {
  CheckInvariant(IsLegalTransition(phase_, to), "drain from ", DrainPhaseName(phase_), " to ",
                 DrainPhaseName(to));
  phase_ = to;
}

void Drain::Begin(absl::string_view why) {
  if (phase_ != DrainPhase::kServing) return;
  actions_.tell_not_ready();
  began_ = clock_->Now();
  if (timeouts_.sessions == absl::ZeroDuration()) {
    LogInfo(Subsystem::kFront, "draining calls", {{"why", why}, {"at_most", timeouts_.calls}});
    Close();
    return;
  }
  LogInfo(Subsystem::kFront, "draining sessions",
          {{"why", why}, {"sessions", actions_.count_sessions()}, {"at_most", timeouts_.sessions}});
  Transition(DrainPhase::kDraining);
  WatchSessions();
}

void Drain::OnSignal(int signal) {
  if (!std::exchange(had_signal_, true)) {
    Begin(absl::StrCat("signal ", signal));
    return;
  }
  LogInfo(Subsystem::kFront, "signal again: not waiting for sessions nor calls",
          {{"signal", signal}});
  if (phase_ == DrainPhase::kDraining) Close();
  if (phase_ == DrainPhase::kClosing) Abort();
}

void Drain::WatchSessions() {
  if (phase_ != DrainPhase::kDraining) return;
  const absl::Duration since = clock_->Now() - began_;
  const bool is_noticed = since >= std::min(kNotice, timeouts_.sessions);
  if (since >= timeouts_.sessions || (is_noticed && actions_.count_sessions() == 0)) {
    Close();
    return;
  }
  clock_->RunAfter(kWatchPeriod, [this] { WatchSessions(); });
}

void Drain::Close() {
  if (phase_ == DrainPhase::kDraining) {
    LogInfo(Subsystem::kFront, "refusing calls",
            {{"sessions", actions_.count_sessions()}, {"open_calls_have", timeouts_.calls}});
  }
  Transition(DrainPhase::kClosing);
  actions_.refuse_calls([this] { actions_.post([this] { End(); }); });
  clock_->RunAfter(timeouts_.calls, [this] { Abort(); });
}

void Drain::Abort() {
  if (phase_ != DrainPhase::kClosing) return;
  LogInfo(Subsystem::kFront, "aborting calls");
  Transition(DrainPhase::kAborting);
  actions_.abort_calls();
  // Usually the drain is over at once. A client that does not even take its answer is not waited
  // for.
  clock_->RunAfter(kAnswerTimeout, [this] { End(); });
}

void Drain::End() {
  if (phase_ == DrainPhase::kEnded) return;
  Transition(DrainPhase::kEnded);
  actions_.end();
}

}  // namespace holdfast
