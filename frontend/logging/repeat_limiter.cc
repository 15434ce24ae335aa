#include "frontend/logging/repeat_limiter.h"

#include <algorithm>

namespace holdfast {

absl::optional<int64_t> RepeatLimiter::Admit(LogLevel level, Subsystem subsystem,
                                             absl::string_view message, absl::Time now) {
  Kind& kind = kinds_.try_emplace({subsystem, message}, Kind{limits_.burst, now}).first->second;
  // The clock may have been set back.
  const double seconds = std::max(0.0, absl::ToDoubleSeconds(now - std::exchange(kind.last, now)));
  kind.tokens = std::min(limits_.burst, kind.tokens + seconds * limits_.per_second);
  kind.level = level;
  if (kind.tokens < 1) {
    ++kind.suppressed;
    return absl::nullopt;
  }
  --kind.tokens;
  return std::exchange(kind.suppressed, 0);
}

std::vector<RepeatLimiter::Suppressed> RepeatLimiter::TakeSuppressed() {
  std::vector<Suppressed> all;
  for (auto& [key, kind] : kinds_) {
    const int64_t lines = std::exchange(kind.suppressed, 0);
    if (lines > 0) all.push_back({kind.level, key.first, key.second, lines});
  }
  return all;
}

}  // namespace holdfast
