#include "frontend/spawner/owned_path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

bool Stat(const std::string& path, struct statx* status) {
  return statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME,
               status) == 0;
}

OwnedPath Identity(const std::string& path, const struct statx& status) {
  OwnedPath identity;
  identity.path = path;
  identity.device = makedev(status.stx_dev_major, status.stx_dev_minor);
  identity.inode = status.stx_ino;
  if (status.stx_mask & STATX_BTIME) {
    identity.birth_nanos = status.stx_btime.tv_sec * 1'000'000'000 + status.stx_btime.tv_nsec;
  }
  return identity;
}

// What removes a directory at the same time, or still writes to it, makes remove_all() give up.
constexpr int kMaxRemovals = 100;

void RemoveDirectory(const std::string& path) {
  for (int i = 0; i < kMaxRemovals; ++i) {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (!error) return;
  }
}

}  // namespace

absl::StatusOr<OwnedPath> IdentifyPath(const std::string& path) {
  struct statx status;
  if (!Stat(path, &status)) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot stat ", path));
  }
  return Identity(path, status);
}

void RemoveOwnedPath(const OwnedPath& owned) {
  struct statx status;
  if (!Stat(owned.path, &status)) return;
  OwnedPath now = Identity(owned.path, status);
  if (now.device != owned.device || now.inode != owned.inode ||
      now.birth_nanos != owned.birth_nanos) {
    return;
  }
  if (S_ISSOCK(status.stx_mode)) unlink(owned.path.c_str());
  if (S_ISDIR(status.stx_mode)) RemoveDirectory(owned.path);
}

}  // namespace holdfast
