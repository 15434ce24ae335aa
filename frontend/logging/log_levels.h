// What is logged, of which part of the service, and how: the flags --log_level and --log_format.
#ifndef HOLDFAST_FRONTEND_LOGGING_LOG_LEVELS_H_
#define HOLDFAST_FRONTEND_LOGGING_LOG_LEVELS_H_

#include <array>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace holdfast {

// In the order of their importance.
enum class LogLevel { kDebug, kInfo, kWarning, kError };
inline constexpr int kLogLevels = static_cast<int>(LogLevel::kError) + 1;
absl::string_view LogLevelName(LogLevel level);  // As in --log_level.

// The parts of the service that have something to say.
enum class Subsystem {
  kFront,         // Its start and its end.
  kListener,      // The port.
  kPool,          // Worker processes.
  kSession,       // Sessions and their failures.
  kBenchmarks,    // The benchmark cache.
  kCrashReports,  // The files.
  kHttp,          // The server of metrics and pages.
  kAdmin,         // What operators ask for.
  kLog,           // The log itself.
};
inline constexpr int kSubsystems = static_cast<int>(Subsystem::kLog) + 1;
absl::string_view SubsystemName(Subsystem subsystem);  // As in --log_level.
std::string SubsystemNames();                          // All of them, for people.

// The least important level that is logged, of each subsystem.
struct LogLevels {
  LogLevel base = LogLevel::kInfo;  // Of those that have none of their own.
  std::array<absl::optional<LogLevel>, kSubsystems> own;

  LogLevel Of(Subsystem subsystem) const { return own[static_cast<int>(subsystem)].value_or(base); }
};

// A flag: levels, separated by commas, each for one subsystem or for all others, as
// "info,pool=debug,session=warning". The last one counts.
bool AbslParseFlag(absl::string_view text, LogLevels* levels, std::string* error);
std::string AbslUnparseFlag(const LogLevels& levels);

enum class LogFormat {
  kText,
  kJson,  // An object on each line.
};

// A flag: "text" or "json".
bool AbslParseFlag(absl::string_view text, LogFormat* format, std::string* error);
std::string AbslUnparseFlag(LogFormat format);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_LOGGING_LOG_LEVELS_H_
