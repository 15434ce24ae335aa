// Paths that belong to one run of the service and go with it.
#ifndef HOLDFAST_FRONTEND_SPAWNER_OWNED_PATH_H_
#define HOLDFAST_FRONTEND_SPAWNER_OWNED_PATH_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace holdfast {

// A directory or a Unix socket, as it was when it was registered. The next run may have put another
// at the same path: file systems hand out inode numbers again at once, so the time of birth is
// compared too, where the file system keeps it (else 0).
struct OwnedPath {
  std::string path;
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t birth_nanos = 0;
};

// What is at `path` now; links are not followed.
absl::StatusOr<OwnedPath> IdentifyPath(const std::string& path);

// Removes it if it still is the same: a directory with all that is in it (links are removed, not
// followed), a socket by itself; anything else stays. As far as it goes: errors are ignored.
void RemoveOwnedPath(const OwnedPath& owned);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SPAWNER_OWNED_PATH_H_
