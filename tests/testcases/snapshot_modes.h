// How the snapshots of a worker misbehave: --snapshot_mode; and --not_replayable.
#ifndef HOLDFAST_TESTS_TESTCASES_SNAPSHOT_MODES_H_
#define HOLDFAST_TESTS_TESTCASES_SNAPSHOT_MODES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "worker/compilation_session.h"

namespace holdfast {

// The type, as the arguments of a worker change it. Without --snapshot_mode it takes no snapshots.
SessionType WithSnapshotsAsTold(int argc, char** argv, SessionType type);

// What the mode makes of the snapshot `state`, and of restoring one. `marker_file` is the
// session's.
absl::StatusOr<absl::optional<SessionSnapshot>> SnapshotAsTold(std::string state,
                                                               const std::string& marker_file);
// The state to restore.
absl::StatusOr<std::string> RestoreAsTold(const SessionSnapshot& snapshot);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_TESTCASES_SNAPSHOT_MODES_H_
