#include "frontend/working_directory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

absl::Status Failed(absl::string_view what, const std::string& path) {
  return absl::InvalidArgumentError(
      absl::StrCat("--working_dir: cannot ", what, " ", path, ": ", std::strerror(errno)));
}

constexpr absl::string_view kScratchPrefix = WorkingDirectory::kScratchPrefix;
constexpr absl::string_view kRandomSuffix = "XXXXXX";  // mkdtemp() replaces it.

// No descriptor: there is no such directory, or another process has its lock. `errno` says which.
UniqueFd LockDirectory(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd && flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.reset();
  return fd;
}

// The scratch data of runs that were killed with their spawner, as a container or a systemd unit
// is. As far as it goes.
void RemoveStaleScratch(const std::string& parent) {
  std::error_code error;
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename().string();
    if (name.size() == kScratchPrefix.size() + kRandomSuffix.size() &&
        absl::StartsWith(name, kScratchPrefix)) {
      found.push_back(entry.path().string());
    }
  }
  for (const std::string& path : found) {
    if (const UniqueFd lock = LockDirectory(path)) std::filesystem::remove_all(path, error);
  }
}

bool IsRemoved(const UniqueFd& directory) {
  struct stat info {};
  return fstat(directory.get(), &info) == 0 && info.st_nlink == 0;
}

// False: it cannot be made, see `errno`. Without a lock, there are none on that file system, and
// nobody takes the directory for stale.
bool MakeScratch(const std::string& parent, std::string* path, UniqueFd* lock) {
  for (;;) {
    *path = absl::StrCat(parent, "/", kScratchPrefix, kRandomSuffix);
    if (mkdtemp(path->data()) == nullptr) return false;
    *lock = LockDirectory(*path);
    // Another service that starts may take it for stale before it is locked: then another is made.
    const bool is_taken = *lock ? IsRemoved(*lock) : errno == EWOULDBLOCK || errno == ENOENT;
    if (!is_taken) return true;
  }
}

}  // namespace

absl::StatusOr<WorkingDirectory> WorkingDirectory::Make(const std::string& path) {
  WorkingDirectory directory;
  if (path.empty()) {
    const char* parent = getenv("TMPDIR");
    directory.path_ =
        absl::StrCat(parent == nullptr || *parent == '\0' ? "/tmp" : parent, "/holdfast-XXXXXX");
    directory.is_fresh_ = true;
    if (mkdtemp(directory.path_.data()) == nullptr) return Failed("make", directory.path_);
  } else {
    std::error_code error;
    directory.path_ = std::filesystem::absolute(path, error).lexically_normal().string();
    std::filesystem::create_directories(directory.path_, error);
    if (error) {
      errno = error.value();
      return Failed("make", path);
    }
  }
  directory.lock_ = LockDirectory(directory.path_);
  if (!directory.lock_) {
    if (errno != EWOULDBLOCK) return Failed("lock", directory.path_);
    return absl::InvalidArgumentError(
        absl::StrCat("--working_dir: ", directory.path_, " is in use by another service"));
  }
  const std::string logs = directory.logs();
  if (mkdir(logs.c_str(), 0700) != 0 && errno != EEXIST) return Failed("make", logs);
  // CompilerGym's client makes its directories in memory, where programs may not be executable, and
  // links `disk` to one that is not.
  std::error_code ignored;
  const bool has_disk = std::filesystem::is_directory(directory.path_ + "/disk", ignored);
  const std::string parent = directory.path_ + (has_disk ? "/disk" : "");
  RemoveStaleScratch(parent);
  if (!MakeScratch(parent, &directory.scratch_, &directory.scratch_lock_)) {
    return Failed("make", directory.scratch_);
  }
  // Left by a run that was killed: a client must not take them for ours.
  directory.Remove("port.txt");
  directory.Remove("pid.txt");
  directory.Remove("metrics_port.txt");
  return directory;
}

absl::Status WorkingDirectory::Write(const std::string& name, absl::string_view contents) const {
  const std::string path = absl::StrCat(path_, "/", name);
  const std::string temporary = absl::StrCat(path, ".new");
  {
    std::ofstream file(temporary, std::ios::trunc);
    file << contents;
    file.flush();
    if (!file) return Failed("write", temporary);
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) return Failed("write", path);
  return absl::OkStatus();
}

void WorkingDirectory::Remove(const std::string& name) const {
  unlink(absl::StrCat(path_, "/", name).c_str());
}

}  // namespace holdfast
