// How a line of the log reads: pure functions. Whatever the values are, it is one line of text,
// free of control characters (but tabs): nobody can forge a line, or write to the terminal of a
// reader.
#ifndef HOLDFAST_FRONTEND_LOGGING_LOG_FORMAT_H_
#define HOLDFAST_FRONTEND_LOGGING_LOG_FORMAT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "frontend/logging/log_field.h"
#include "frontend/logging/log_levels.h"

namespace holdfast {

struct LogLine {
  absl::Time time;
  LogLevel level = LogLevel::kInfo;
  Subsystem subsystem = Subsystem::kLog;
  absl::string_view message;
  absl::Span<const LogField> fields;
};

// Without the end of the line. In text, values have quotes where they need them:
//   2026-01-31T12:34:56.789+00:00 info    pool          worker is ready worker=7 took=12.3ms
// In JSON, each field is a member of the object; durations are in seconds, the characters are
// ASCII.
std::string FormatLine(LogFormat format, const LogLine& line);

// What a worker process has written.
struct WorkerLine {
  absl::Time time;
  uint64_t worker = 0;
  absl::string_view stream;  // "stdout" or "stderr"; "output": this is about both.
  absl::string_view text;    // Any bytes.
};
//   2026-01-31T12:34:56.789+00:00 worker 7 stderr: text
std::string FormatWorkerLine(LogFormat format, const WorkerLine& line);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_LOGGING_LOG_FORMAT_H_
