#include "frontend/logging/log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "frontend/logging/log_file.h"
#include "frontend/logging/log_format.h"

namespace holdfast {
namespace {

struct Threshold {
  std::atomic<LogLevel> level{LogLevel::kWarning};
};
Threshold thresholds[kSubsystems];

std::atomic<int64_t> suppressed_lines{0};

// A pipe that nobody reads must not stop the service: only what can be written at once is. How much
// that was.
size_t WriteToStderr(absl::string_view text) {
  size_t total = 0;
  while (total < text.size()) {
    pollfd stderr_fd = {STDERR_FILENO, POLLOUT, 0};
    if (poll(&stderr_fd, 1, /*timeout=*/0) != 1 || (stderr_fd.revents & POLLOUT) == 0) break;
    const size_t size = std::min<size_t>(text.size() - total, PIPE_BUF);  // There is so much room.
    const ssize_t written = write(STDERR_FILENO, text.data() + total, size);
    if (written <= 0) break;
    total += static_cast<size_t>(written);
  }
  return total;
}

class ServiceLog {
 public:
  ServiceLog() { options_.to_stderr = true; }

  // The reason if the file cannot be opened.
  absl::Status Open(LogOptions options) {
    const std::lock_guard<std::mutex> lock(mutex_);
    TellRepeats();
    options_ = std::move(options);
    repeats_.emplace(options_.repeats);
    file_.reset();
    return OpenFile();
  }

  absl::Status Reopen() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return OpenFile();
  }

  void Write(LogLevel level, Subsystem subsystem, absl::string_view message, LogFields fields) {
    const absl::Time now = absl::Now();
    absl::optional<int64_t> repeats = 0;
    LogFormat format = LogFormat::kText;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      format = options_.format;
      if (level > LogLevel::kDebug) repeats = repeats_->Admit(level, subsystem, message, now);
    }
    if (!repeats.has_value()) {
      ++suppressed_lines;
      return;
    }
    std::vector<LogField> all(fields.begin(), fields.end());
    if (*repeats > 0) all.emplace_back("suppressed", *repeats);
    // Without the mutex: Protocol Buffers may have something to say of what is formatted, which is
    // logged, too.
    const std::string line = FormatLine(format, {now, level, subsystem, message, all});
    const std::lock_guard<std::mutex> lock(mutex_);
    WriteLine(line);
  }

  void FlushRepeats() {
    const std::lock_guard<std::mutex> lock(mutex_);
    TellRepeats();
  }

 private:
  absl::Status OpenFile() {
    is_file_lost_ = false;
    if (options_.directory.empty()) return absl::OkStatus();
    absl::StatusOr<std::unique_ptr<LogFile>> file =
        LogFile::Open(options_.directory, "holdfast.log");
    is_file_lost_ = !file.ok();
    if (is_file_lost_) return file.status();
    file_ = *std::move(file);
    return absl::OkStatus();
  }

  void TellRepeats() {
    for (const RepeatLimiter::Suppressed& kind : repeats_->TakeSuppressed()) {
      const LogField fields[] = {{"repeated", kind.message}, {"suppressed", kind.lines}};
      WriteLine(FormatLine(options_.format, {absl::Now(), kind.level, kind.subsystem,
                                             "repeats were suppressed", fields}));
    }
  }

  void WriteLine(const std::string& line) {
    if (file_ != nullptr) {
      file_->Write(line);
      file_->Flush();
    }
    if (!options_.to_stderr && !is_file_lost_) return;
    const std::string text = absl::StrCat(is_stderr_torn_ ? "\n" : "", line, "\n");
    const size_t written = WriteToStderr(text);
    if (written > 0) is_stderr_torn_ = written < text.size();
  }

  std::mutex mutex_;  // Guards all below. Not Abseil's: all tests log, and TSan sees through this.
  LogOptions options_;
  absl::optional<RepeatLimiter> repeats_{options_.repeats};
  std::unique_ptr<LogFile> file_;
  bool is_file_lost_ = false;    // It could not be opened (anew).
  bool is_stderr_torn_ = false;  // In the middle of a line.
};

// Never destroyed: something may be logged at exit.
ServiceLog& TheLog() {
  static auto* const log = new ServiceLog;
  return *log;
}

}  // namespace

void InitLogging(LogOptions options) {
  const LogLevels levels = options.levels;
  const absl::Status status = TheLog().Open(std::move(options));
  for (int i = 0; i < kSubsystems; ++i) {
    thresholds[i].level = levels.Of(static_cast<Subsystem>(i));
  }
  if (!status.ok()) LogError(Subsystem::kLog, "logging to stderr", {{"why", status.message()}});
}

bool ReopenLog() {
  const absl::Status status = TheLog().Reopen();
  if (!status.ok()) {
    LogWarning(Subsystem::kLog, "log not opened anew", {{"why", status.message()}});
  }
  return status.ok();
}

void FlushRepeats() { TheLog().FlushRepeats(); }

int64_t SuppressedLogLines() { return suppressed_lines; }

bool IsLogged(LogLevel level, Subsystem subsystem) {
  return level >= thresholds[static_cast<int>(subsystem)].level.load(std::memory_order_relaxed);
}

void Log(LogLevel level, Subsystem subsystem, LogMessage message, LogFields fields) {
  if (IsLogged(level, subsystem)) TheLog().Write(level, subsystem, message.text(), fields);
}

}  // namespace holdfast
