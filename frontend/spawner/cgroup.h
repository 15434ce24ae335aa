// Control groups, versions 1 and 2: where they are, and what the kernel's files in them say.
//
// The tests exercise version 1 against the kernel. Of version 2 they exercise what needs no memory
// or pids controller (finding it, moving into a leaf, killing) and the reading of its files' text.
#ifndef HOLDFAST_FRONTEND_SPAWNER_CGROUP_H_
#define HOLDFAST_FRONTEND_SPAWNER_CGROUP_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/unique_fd.h"
#include "frontend/process_spawner.h"

namespace holdfast {

// The directory of a cgroup; version 0: there is none.
struct CgroupPlace {
  int version = 0;
  std::string directory;

  explicit operator bool() const { return version != 0; }
};

// What one process, worker or service is in: a cgroup for each controller that is used. With
// version 2 both are the same directory; with version 1 they may be.
struct Cgroups {
  CgroupPlace memory;
  CgroupPlace pids;

  explicit operator bool() const { return memory || pids; }
  // Each once.
  std::vector<std::string> Directories() const;
  // The same, one level down.
  Cgroups Below(const std::string& name) const;
};

// Where the process is whose /proc/PID/cgroup and mountinfo these are. A controller that has no
// hierarchy of version 1 is taken to be in that of version 2, if that is mounted.
Cgroups FindCgroups(absl::string_view cgroup, absl::string_view mountinfo);

// Those of worker number `process` below its service's `tree`, for the limits that are set.
Cgroups WorkerCgroups(const Cgroups& tree, uint64_t process, const ProcessLimits& limits);

// What the kernel tells of a cgroup's limits.
struct LimitEvidence {
  // The kernel has killed a process in it for want of memory, after it had come near its own limit.
  // (A machine that is out of memory kills too. Failed charges are no proof: reclaiming page cache
  // counts as such.)
  bool memory_limit_hit = false;
  // It has refused to start a process or thread.
  bool process_limit_hit = false;
  int64_t peak_memory_bytes = 0;  // Page cache counts. 0: not known, or nothing was killed.
};
LimitEvidence ReadLimitEvidence(const Cgroups& cgroups);

// Makes the directories and sets the limits; leaves nothing if that fails.
absl::Status MakeCgroups(const Cgroups& cgroups, const ProcessLimits& limits);

// A process enters each cgroup by writing "0" to its descriptor here.
absl::StatusOr<std::vector<UniqueFd>> OpenCgroupEntries(const Cgroups& cgroups);

// The processes in it.
std::vector<pid_t> ListCgroup(const Cgroups& cgroups);

// Kills what is in it, and lets it start nothing more where pids are limited: so a fork bomb ends.
// Those that are started meanwhile may be missed otherwise; call it until RemoveCgroups succeeds.
void KillCgroups(const Cgroups& cgroups);

// False: something is left, such as a process that is still ending.
bool RemoveCgroups(const Cgroups& cgroups);

// Helpers for cgroup files. The text is empty if there is no such file.
std::string ReadCgroupFile(const std::string& directory, absl::string_view name);
absl::Status WriteCgroupFile(const std::string& directory, absl::string_view name,
                             absl::string_view text);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SPAWNER_CGROUP_H_
