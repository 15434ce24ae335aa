// What the service, and what its workers, have to say: for people.
#ifndef HOLDFAST_FRONTEND_LOGGING_LOG_H_
#define HOLDFAST_FRONTEND_LOGGING_LOG_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace spdlog {
class logger;
}  // namespace spdlog

namespace holdfast {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// All functions are thread-safe, and may be called at any time: before InitLogging(), warnings and
// errors go to stderr. Messages become one line each: control characters are escaped.

// Logs what is at least of `level` to DIRECTORY/holdfast.log (0600, rotated) and, if `to_stderr`,
// to stderr. An empty `directory`: to no file; a missing one is made (0700). If the file cannot be
// opened, stderr it is. May be called again.
void InitLogging(const std::string& directory, bool to_stderr, LogLevel level);

bool IsLogged(LogLevel level);
void Log(LogLevel level, absl::string_view message);

// `parts` are anything that absl::StrCat takes, and are only put together if they are logged.
template <typename... Parts>
void LogParts(LogLevel level, const Parts&... parts) {
  if (IsLogged(level)) Log(level, absl::StrCat(parts...));
}

template <typename... Parts>
void LogDebug(const Parts&... parts) {
  LogParts(LogLevel::kDebug, parts...);
}

template <typename... Parts>
void LogInfo(const Parts&... parts) {
  LogParts(LogLevel::kInfo, parts...);
}

template <typename... Parts>
void LogWarning(const Parts&... parts) {
  LogParts(LogLevel::kWarning, parts...);
}

template <typename... Parts>
void LogError(const Parts&... parts) {
  LogParts(LogLevel::kError, parts...);
}

// What workers write to stdout and stderr: DIRECTORY/workers.log (0600, rotated), each line with
// its time, worker and stream. Untrusted: control characters are escaped, lines are broken after 4
// KiB, and of each worker at most 1 MiB is kept. Not thread-safe.
class WorkerLog {
 public:
  // As in InitLogging(). If the file cannot be opened a warning is logged, and the output lost.
  explicit WorkerLog(const std::string& directory);
  ~WorkerLog();

  // `bytes` need not end with a line.
  void WorkerOutput(uint64_t worker, bool is_stderr, absl::string_view bytes);
  // Writes its unfinished lines, and forgets it. Nothing of this worker may follow.
  void WorkerGone(uint64_t worker);

 private:
  struct Worker {
    std::string unfinished[2];  // stdout, stderr.
    size_t written_bytes = 0;
    bool is_muted = false;
  };

  void WriteLine(uint64_t id, bool is_stderr, absl::string_view line, Worker* worker);

  std::unique_ptr<spdlog::logger> file_;  // Null: none.
  absl::flat_hash_map<uint64_t, Worker> workers_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_LOGGING_LOG_H_
