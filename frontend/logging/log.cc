#include "frontend/logging/log.h"

#include <fcntl.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "common/unique_fd.h"

namespace holdfast {
namespace {

constexpr char kTime[] = "%Y-%m-%dT%H:%M:%S.%e%z ";
constexpr size_t kTimeBytes = 31;  // And the end of the line.
constexpr size_t kFileBytes = 10 << 20;
constexpr int kOldFiles = 2;  // Besides the one that is written to.
constexpr size_t kMaxLineBytes = 4 << 10;
constexpr size_t kMaxWorkerBytes = 1 << 20;

constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                 spdlog::level::warn, spdlog::level::err};

// Nobody can forge a line, or write to the terminal of a reader.
std::string Escape(absl::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    if (!absl::ascii_iscntrl(c) || c == '\t') {
      escaped += c;
    } else if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped += {'\\', 'x', kHex[(c >> 4) & 0xf], kHex[c & 0xf]};
    }
  }
  return escaped;
}

// Makes the file if it is missing, and takes it from others, before anything is written to it.
void KeepPrivate(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (fd.get() >= 0) fchmod(fd.get(), 0600);
}

absl::StatusOr<spdlog::sink_ptr> OpenFile(const std::string& directory, absl::string_view name) {
  const std::string path = absl::StrCat(directory, "/", name);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::UnavailableError(
        absl::StrCat("cannot make the log directory ", directory, ": ", strerror(errno)));
  }
  spdlog::file_event_handlers handlers;
  handlers.before_open = KeepPrivate;
  try {
    return std::make_shared<spdlog::sinks::rotating_file_sink_st>(path, kFileBytes, kOldFiles,
                                                                  /*rotate_on_open=*/false,
                                                                  std::move(handlers));
  } catch (const std::exception& e) {
    return absl::UnavailableError(absl::StrCat("cannot log to ", path, ": ", e.what()));
  }
}

spdlog::sink_ptr StandardError() { return std::make_shared<spdlog::sinks::stderr_sink_st>(); }

std::unique_ptr<spdlog::logger> MakeLogger(const std::vector<spdlog::sink_ptr>& sinks,
                                           const std::string& pattern) {
  auto logger = absl::make_unique<spdlog::logger>("holdfast", sinks.begin(), sinks.end());
  logger->set_pattern(pattern);
  logger->set_level(spdlog::level::trace);  // IsLogged() decides.
  return logger;
}

std::atomic<LogLevel> lowest_level{LogLevel::kWarning};

struct ServiceLog {
  std::mutex mutex;  // Guards the logger. Not Abseil's: all tests log, and TSan sees through this.
  std::unique_ptr<spdlog::logger> logger;
};

std::unique_ptr<spdlog::logger> MakeServiceLogger(const std::vector<spdlog::sink_ptr>& sinks) {
  auto logger = MakeLogger(sinks, absl::StrCat(kTime, "%-7l %v"));
  logger->flush_on(spdlog::level::trace);
  return logger;
}

// Never destroyed: something may be logged at exit.
ServiceLog& TheLog() {
  static ServiceLog* const log = [] {
    auto* made = new ServiceLog;
    made->logger = MakeServiceLogger({StandardError()});
    return made;
  }();
  return *log;
}

}  // namespace

void InitLogging(const std::string& directory, bool to_stderr, LogLevel level) {
  std::vector<spdlog::sink_ptr> sinks;
  absl::Status status;
  if (!directory.empty()) {
    absl::StatusOr<spdlog::sink_ptr> file = OpenFile(directory, "holdfast.log");
    status = file.status();
    if (file.ok()) sinks.push_back(*std::move(file));
  }
  if (to_stderr || !status.ok()) sinks.push_back(StandardError());
  auto logger = MakeServiceLogger(sinks);
  {
    const std::lock_guard<std::mutex> lock(TheLog().mutex);
    TheLog().logger.swap(logger);
  }
  lowest_level = level;
  if (!status.ok()) LogError(status.message());
}

bool IsLogged(LogLevel level) { return level >= lowest_level; }

void Log(LogLevel level, absl::string_view message) {
  if (!IsLogged(level)) return;
  const std::string line = Escape(message);
  ServiceLog& log = TheLog();
  const std::lock_guard<std::mutex> lock(log.mutex);
  log.logger->log(kLevels[static_cast<int>(level)], spdlog::string_view_t(line));
}

WorkerLog::WorkerLog(const std::string& directory) {
  if (directory.empty()) return;
  absl::StatusOr<spdlog::sink_ptr> file = OpenFile(directory, "workers.log");
  if (file.ok()) {
    file_ = MakeLogger({*std::move(file)}, absl::StrCat(kTime, "%v"));
  } else {
    LogWarning(file.status().message());
  }
}

WorkerLog::~WorkerLog() {
  while (!workers_.empty()) WorkerGone(workers_.begin()->first);
}

void WorkerLog::WorkerOutput(uint64_t worker, bool is_stderr, absl::string_view bytes) {
  if (file_ == nullptr) return;
  Worker& state = workers_[worker];
  std::string& line = state.unfinished[is_stderr ? 1 : 0];
  while (!state.is_muted && !bytes.empty()) {
    const size_t room = kMaxLineBytes - line.size();
    const absl::string_view piece = bytes.substr(0, std::min(room, bytes.find('\n')));
    absl::StrAppend(&line, piece);
    bytes.remove_prefix(piece.size());
    if (bytes.empty()) break;  // More of this line may come.
    absl::ConsumePrefix(&bytes, "\n");
    WriteLine(worker, is_stderr, line, &state);
    line.clear();
  }
  file_->flush();
}

void WorkerLog::WorkerGone(uint64_t worker) {
  const auto found = workers_.find(worker);
  if (found == workers_.end()) return;
  for (const bool is_stderr : {false, true}) {
    const std::string& line = found->second.unfinished[is_stderr ? 1 : 0];
    if (!line.empty()) WriteLine(worker, is_stderr, line, &found->second);
  }
  file_->flush();
  workers_.erase(found);
}

void WorkerLog::WriteLine(uint64_t id, bool is_stderr, absl::string_view line, Worker* worker) {
  if (worker->is_muted) return;
  absl::ConsumeSuffix(&line, "\r");
  std::string text =
      absl::StrCat("worker ", id, is_stderr ? " stderr: " : " stdout: ", Escape(line));
  worker->written_bytes += kTimeBytes + text.size();
  if (worker->written_bytes > kMaxWorkerBytes) {
    worker->is_muted = true;
    text = absl::StrCat("worker ", id, ": it has written much; the rest is dropped");
  }
  file_->info(text);
}

}  // namespace holdfast
