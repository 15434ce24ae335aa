// Keeps what says the same again and again from filling the log.
#ifndef HOLDFAST_FRONTEND_LOGGING_REPEAT_LIMITER_H_
#define HOLDFAST_FRONTEND_LOGGING_REPEAT_LIMITER_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "frontend/logging/log_levels.h"

namespace holdfast {

// Lines of one subsystem and message, whatever their fields, are alike: of these a burst is let
// through, and then some each second. Pure: it is told the time. Not thread-safe.
class RepeatLimiter {
 public:
  struct Limits {
    double burst = 20;  // At least 1.
    double per_second = 2;
  };

  explicit RepeatLimiter(const Limits& limits) : limits_(limits) {}

  // Whether a line is let through: how many like it were not, since the last that was; nullopt: it
  // is suppressed. `message`: a constant of the program, which is referred to for ever.
  absl::optional<int64_t> Admit(LogLevel level, Subsystem subsystem, absl::string_view message,
                                absl::Time now);

  // Lines that were suppressed, and of which nobody has been told yet.
  struct Suppressed {
    LogLevel level;  // Of the last.
    Subsystem subsystem;
    absl::string_view message;
    int64_t lines;
  };
  // Forgets them.
  std::vector<Suppressed> TakeSuppressed();

 private:
  struct Kind {
    double tokens;    // Lines that are let through at once.
    absl::Time last;  // When a line came.
    LogLevel level = LogLevel::kInfo;
    int64_t suppressed = 0;
  };

  const Limits limits_;
  absl::flat_hash_map<std::pair<Subsystem, absl::string_view>, Kind> kinds_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_LOGGING_REPEAT_LIMITER_H_
