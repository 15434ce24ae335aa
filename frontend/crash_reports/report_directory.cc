#include "frontend/crash_reports/report_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "frontend/crash_reports/crash_report.h"

namespace holdfast {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr absl::string_view kUnfinished = ".unfinished";
constexpr size_t kIdSize = 16;

absl::Status Failed(absl::string_view what, const std::string& path) {
  return absl::InvalidArgumentError(
      absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(errno)));
}

// Only what we named is ours.
bool IsId(absl::string_view text) {
  return text.size() == kIdSize && absl::c_all_of(text, [](unsigned char c) {
           return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

absl::Status WriteFile(const std::string& path, absl::string_view bytes) {
  const UniqueFd file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return Failed("make", path);
  while (!bytes.empty()) {
    const ssize_t count = write(file.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed("write", path);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

bool SetTime(const std::string& path, int64_t nanos) {
  const timespec time = {nanos / kNanosPerSecond, nanos % kNanosPerSecond};
  const timespec times[] = {time, time};
  return utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0;
}

}  // namespace

absl::StatusOr<ReportDirectory> ReportDirectory::Open(const std::string& path,
                                                      const Bounds& bounds) {
  std::error_code error;
  ReportDirectory directory;
  directory.bounds_ = bounds;
  directory.path_ = std::filesystem::absolute(path, error).lexically_normal().string();
  std::filesystem::create_directories(std::filesystem::path(directory.path_).parent_path(), error);
  if (mkdir(directory.path_.c_str(), 0700) != 0 && errno != EEXIST) {
    return Failed("make", directory.path_);
  }
  directory.lock_ = UniqueFd(open(directory.path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.lock_) return Failed("open", directory.path_);
  if (flock(directory.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Failed("lock", directory.path_);
    return absl::InvalidArgumentError(
        absl::StrCat(directory.path_, " is in use by another service"));
  }
  // Only this tells: to root access() says yes even where nothing can be written.
  const std::string probe = absl::StrCat(directory.path_, "/probe", kUnfinished);
  absl::Status written = WriteFile(probe, "probe");
  unlink(probe.c_str());
  if (!written.ok()) return written;
  directory.Scan();
  directory.MakeRoom(0, 0);
  return directory;
}

void ReportDirectory::Scan() {
  std::error_code error;
  std::filesystem::directory_iterator entry(path_, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    absl::string_view id = name;
    const bool is_unfinished = absl::ConsumeSuffix(&id, kUnfinished);
    struct stat status;
    if (!absl::ConsumeSuffix(&id, kCrashReportSuffix) || !IsId(id) ||
        lstat(entry->path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
      continue;
    }
    if (is_unfinished) {
      unlink(entry->path().c_str());
    } else {
      Add(std::string(id),
          {status.st_size, status.st_mtim.tv_sec * kNanosPerSecond + status.st_mtim.tv_nsec});
    }
  }
}

bool ReportDirectory::Touch(const std::string& id) {
  const auto found = files_.find(id);
  if (found == files_.end()) return false;
  found->second.seen_nanos = Now();
  if (SetTime(PathOf(id), found->second.seen_nanos) || errno != ENOENT) return true;
  Forget(id);  // Somebody has removed it.
  return false;
}

absl::Status ReportDirectory::Write(const std::string& id, absl::string_view bytes) {
  const File file = {static_cast<int64_t>(bytes.size()), Now()};
  if (file.size > bounds_.max_bytes || bounds_.max_reports < 1) {
    return absl::ResourceExhaustedError(
        absl::StrCat("it has ", file.size, " bytes, and all may have ", bounds_.max_bytes));
  }
  const std::string unfinished = absl::StrCat(PathOf(id), kUnfinished);
  absl::Status status = WriteFile(unfinished, bytes);
  if (status.ok()) {
    Forget(id);
    MakeRoom(1, file.size);
    SetTime(unfinished, file.seen_nanos);
    if (rename(unfinished.c_str(), PathOf(id).c_str()) != 0) status = Failed("name", unfinished);
  }
  if (!status.ok()) {
    unlink(unfinished.c_str());
    return status;
  }
  Add(id, file);
  return absl::OkStatus();
}

void ReportDirectory::MakeRoom(int64_t reports, int64_t bytes) {
  while (!files_.empty() &&
         (this->reports() > bounds_.max_reports - reports || bytes_ > bounds_.max_bytes - bytes)) {
    const std::string id = absl::c_min_element(files_, [](const auto& a, const auto& b) {
                             return a.second.seen_nanos < b.second.seen_nanos;
                           })->first;
    unlink(PathOf(id).c_str());
    Forget(id);
  }
}

void ReportDirectory::Add(const std::string& id, const File& file) {
  files_[id] = file;
  bytes_ += file.size;
  newest_nanos_ = std::max(newest_nanos_, file.seen_nanos);
}

void ReportDirectory::Forget(const std::string& id) {
  const auto found = files_.find(id);
  if (found == files_.end()) return;
  bytes_ -= found->second.size;
  files_.erase(found);
}

std::string ReportDirectory::PathOf(const std::string& id) const {
  return absl::StrCat(path_, "/", id, kCrashReportSuffix);
}

int64_t ReportDirectory::Now() {
  newest_nanos_ = std::max(absl::GetCurrentTimeNanos(), newest_nanos_ + 1);
  return newest_nanos_;
}

}  // namespace holdfast
