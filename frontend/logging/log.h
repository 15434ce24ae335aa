// What the service has to say, for people and for programs: a constant message, and what varies as
// fields.
#ifndef HOLDFAST_FRONTEND_LOGGING_LOG_H_
#define HOLDFAST_FRONTEND_LOGGING_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "frontend/logging/log_field.h"
#include "frontend/logging/log_levels.h"
#include "frontend/logging/repeat_limiter.h"

namespace holdfast {

// All functions are thread-safe, and may be called at any time: before InitLogging(), warnings and
// errors go to stderr. Each line is written at once.

struct LogOptions {
  std::string directory;   // Of holdfast.log, see LogFile; empty: no file.
  bool to_stderr = false;  // Where lines are lost, or cut, that it does not take at once.
  LogFormat format = LogFormat::kText;
  LogLevels levels;
  // Of debug lines, all are written: who asks for details wants them.
  RepeatLimiter::Limits repeats;
};

// If the file cannot be opened, stderr it is. May be called again.
void InitLogging(LogOptions options);

// Opens the file anew, for one that was moved away. False: it failed. Then the old one stays, and
// stderr gets what is logged, too, until it succeeds.
bool ReopenLog();

// Tells of the repeats that were suppressed, and of which no line has told yet.
void FlushRepeats();

// Since the start of the process.
int64_t SuppressedLogLines();

// A text of the program, so that lines with the same message can be found, and counted.
class LogMessage {
 public:
  template <size_t kSize>
  constexpr LogMessage(const char (&text)[kSize])  // NOLINT(google-explicit-constructor)
      : text_(text, kSize - 1) {}
  absl::string_view text() const { return text_; }

 private:
  absl::string_view text_;
};

// Cheap, so that what is not logged costs nothing.
bool IsLogged(LogLevel level, Subsystem subsystem);

// As in: LogInfo(Subsystem::kPool, "worker is ready", {{"worker", id}, {"took", duration}});
using LogFields = absl::Span<const LogField>;
void Log(LogLevel level, Subsystem subsystem, LogMessage message, LogFields fields = {});

inline void LogDebug(Subsystem subsystem, LogMessage message, LogFields fields = {}) {
  Log(LogLevel::kDebug, subsystem, message, fields);
}
inline void LogInfo(Subsystem subsystem, LogMessage message, LogFields fields = {}) {
  Log(LogLevel::kInfo, subsystem, message, fields);
}
inline void LogWarning(Subsystem subsystem, LogMessage message, LogFields fields = {}) {
  Log(LogLevel::kWarning, subsystem, message, fields);
}
inline void LogError(Subsystem subsystem, LogMessage message, LogFields fields = {}) {
  Log(LogLevel::kError, subsystem, message, fields);
}

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_LOGGING_LOG_H_
