#include "frontend/restart_policy.h"

#include <algorithm>

namespace holdfast {
namespace {

// By then the back-off has long reached its maximum, and more failures change nothing.
constexpr int kMinLoggedFailures = 64;

constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;

}  // namespace

RestartDecision DecideRestart(const RestartPolicyOptions& options,
                              absl::Span<const absl::Time> failures, bool permanent,
                              absl::Time now) {
  if (failures.empty()) return {true, now};
  absl::Duration backoff = permanent ? options.max_backoff : options.initial_backoff;
  for (size_t n = 1; n < failures.size() && backoff < options.max_backoff; ++n) backoff *= 2;
  const bool ready = !permanent && failures.size() < static_cast<size_t>(options.burst);
  return {ready, std::max(now, failures.back() + std::min(backoff, options.max_backoff))};
}

bool IsPermanentStartFailure(int exit_code, int signal) {
  return signal == 0 && (exit_code == kCannotExecute || exit_code == kNotFound);
}

void StartFailureLog::Failed(absl::Time when, bool permanent) {
  // Before the next spawn was due, this can only be one that had been started before the last
  // failure.
  const bool together = !failures_.empty() && when < Decide(failures_.back()).spawn_at;
  permanent_ = permanent || (together && permanent_);
  const size_t limit = std::max(options_.burst, kMinLoggedFailures);
  if (together || failures_.size() >= limit) {
    failures_.back() = std::max(failures_.back(), when);
  } else {
    failures_.push_back(when);
  }
}

RestartDecision StartFailureLog::Decide(absl::Time now) const {
  return DecideRestart(options_, failures_, permanent_, now);
}

}  // namespace holdfast
