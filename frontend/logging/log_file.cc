#include "frontend/logging/log_file.h"

#include <fcntl.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/unique_fd.h"

namespace holdfast {
namespace {

constexpr size_t kFileBytes = 10 << 20;
constexpr int kOldFiles = 2;  // Besides the one that is written to.

// Makes the file if it is missing, and takes it from others, before anything is written to it.
void KeepPrivate(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (fd.get() >= 0) fchmod(fd.get(), 0600);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogFile>> LogFile::Open(const std::string& directory,
                                                       absl::string_view name) {
  const std::string path = absl::StrCat(directory, "/", name);
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::UnavailableError(
        absl::StrCat("cannot make the log directory ", directory, ": ", strerror(errno)));
  }
  spdlog::file_event_handlers handlers;
  handlers.before_open = KeepPrivate;
  try {
    auto logger = absl::make_unique<spdlog::logger>(
        "holdfast",
        std::make_shared<spdlog::sinks::rotating_file_sink_st>(
            path, kFileBytes, kOldFiles, /*rotate_on_open=*/false, std::move(handlers)));
    logger->set_pattern("%v");
    return absl::WrapUnique(new LogFile(std::move(logger)));
  } catch (const std::exception& e) {
    return absl::UnavailableError(absl::StrCat("cannot log to ", path, ": ", e.what()));
  }
}

LogFile::LogFile(std::unique_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {}

LogFile::~LogFile() = default;

void LogFile::Write(absl::string_view line) {
  logger_->info(spdlog::string_view_t(line.data(), line.size()));
}

void LogFile::Flush() { logger_->flush(); }

}  // namespace holdfast
