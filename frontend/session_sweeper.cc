#include "frontend/session_sweeper.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/time/clock.h"
#include "frontend/logging/log.h"

namespace holdfast {
namespace {

// Between two looks at all sessions.
absl::Duration Period(absl::Duration timeout) {
  return std::clamp(timeout / 10, absl::Milliseconds(100), absl::Minutes(1));
}

}  // namespace

void SessionSweeper::Start() {
  if (timeouts_.end > absl::ZeroDuration()) EndIdle();
  if (timeouts_.park > absl::ZeroDuration()) ParkIdle();
}

void SessionSweeper::EndIdle() {
  const std::vector<int64_t> ended = table_->EndIdleSince(absl::Now() - timeouts_.end);
  for (const int64_t id : ended) {
    LogInfo(Subsystem::kSession, "session is ended: it had no call for --session_idle_timeout",
            {LogField::Session(id), {"timeout", timeouts_.end}});
  }
  metrics_->SessionsExpired(static_cast<int>(ended.size()));
  clock_->RunAfter(Period(timeouts_.end), [this] { EndIdle(); });
}

void SessionSweeper::ParkIdle() {
  table_->ParkIdleSince(absl::Now() - timeouts_.park);
  clock_->RunAfter(Period(timeouts_.park), [this] { ParkIdle(); });
}

}  // namespace holdfast
