#include "tests/testcases/snapshot_modes.h"

#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/flags/flag.h"
#include "tests/testcases/misbehaviour.h"
#include "tests/testcases/start_modes.h"

// As the flags of start_modes.cc.
ABSL_FLAG(std::string, snapshot_mode, "none",
          "What a worker's snapshots are like: none, right, or a row of kSnapshotModes.");
ABSL_FLAG(bool, not_replayable, false, "Whether a worker says that its sessions are.");

namespace holdfast {
namespace {

constexpr char kType[] = "holdfast.misbehaving";

struct SnapshotMode {
  const char* name;
  absl::Status (*at_snapshot)(std::string& state, const std::string& marker_file);
  absl::Status (*at_restore)(std::string& state);
};

absl::Status Right(std::string& /*state*/, const std::string& /*marker_file*/) {
  return absl::OkStatus();
}
absl::Status Right(std::string& /*state*/) { return absl::OkStatus(); }

const SnapshotMode kSnapshotModes[] = {
    {"right", Right, Right},
    // Tell and wait, if the session has a marker: see WaitForGo(). Right after that.
    {"wait",
     [](std::string&, const std::string& marker_file) {
       if (!marker_file.empty()) WaitForGo(marker_file);
       return absl::OkStatus();
     },
     Right},
    {"fail",
     [](std::string&, const std::string&) -> absl::Status {
       return absl::InternalError("cannot take a snapshot");
     },
     Right},
    {"crash", [](std::string&, const std::string&) -> absl::Status { Die(SIGSEGV); }, Right},
    {"hang", [](std::string&, const std::string&) -> absl::Status { Hang(); }, Right},
    {"garbage",
     [](std::string& state, const std::string&) {
       state = "\xff garbage";
       return absl::OkStatus();
     },
     Right},
    {"huge",
     [](std::string& state, const std::string&) {
       state.append(size_t{64} << 20, ' ');
       return absl::OkStatus();
     },
     Right},
    {"crash_in_restore", Right, [](std::string&) -> absl::Status { Die(SIGSEGV); }},
    {"hang_in_restore", Right, [](std::string&) -> absl::Status { Hang(); }},
    {"other_state", Right,
     [](std::string& state) {
       state.insert(0, "1");  // To the counter.
       return absl::OkStatus();
     }},
};

const SnapshotMode* mode = nullptr;

}  // namespace

SessionType WithSnapshotsAsTold(int argc, char** argv, SessionType type) {
  const std::string name = Argument(argc, argv, "snapshot_mode", "none");
  mode = std::find_if(std::begin(kSnapshotModes), std::end(kSnapshotModes),
                      [&](const SnapshotMode& row) { return name == row.name; });
  if (mode == std::end(kSnapshotModes)) {
    if (name != "none") exit(2);
    mode = nullptr;
  }
  type.takes_snapshots = mode != nullptr;
  type.is_replayable = Argument(argc, argv, "not_replayable", "false") == "false";
  return type;
}

absl::StatusOr<absl::optional<SessionSnapshot>> SnapshotAsTold(std::string state,
                                                               const std::string& marker_file) {
  if (mode == nullptr) return absl::optional<SessionSnapshot>();
  const absl::Status status = mode->at_snapshot(state, marker_file);
  if (!status.ok()) return status;
  return absl::optional<SessionSnapshot>({kType, 1, std::move(state)});
}

absl::StatusOr<std::string> RestoreAsTold(const SessionSnapshot& snapshot) {
  if (mode == nullptr || snapshot.type != kType) return UnknownSnapshotError(snapshot);
  std::string state = snapshot.data;
  const absl::Status status = mode->at_restore(state);
  if (!status.ok()) return status;
  return state;
}

}  // namespace holdfast
