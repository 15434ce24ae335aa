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

constexpr char kScratch[] = "scratch-XXXXXX";

// The scratch data of runs that were killed with their spawner, as a container or a systemd unit
// is. As far as it goes.
void RemoveStaleScratch(const std::string& parent) {
  constexpr absl::string_view kTemplate = kScratch;
  const absl::string_view prefix = kTemplate.substr(0, kTemplate.find('X'));
  std::error_code error;
  std::vector<std::filesystem::path> stale;
  for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename().string();
    if (name.size() == kTemplate.size() && absl::StartsWith(name, prefix)) {
      stale.push_back(entry.path());
    }
  }
  for (const std::filesystem::path& path : stale) std::filesystem::remove_all(path, error);
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
    if (!std::filesystem::is_directory(directory.path_)) return Failed("make", path);
  }
  directory.lock_ = UniqueFd(open(directory.path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.lock_ || flock(directory.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
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
  RemoveStaleScratch(parent);  // We have the lock: nobody uses it.
  directory.scratch_ = absl::StrCat(parent, "/", kScratch);
  if (mkdtemp(directory.scratch_.data()) == nullptr) return Failed("make", directory.scratch_);
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
