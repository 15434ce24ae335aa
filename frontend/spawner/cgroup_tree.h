// The part of the cgroup hierarchies that belongs to one run of the service: a directory
// "holdfast-PID" below the cgroup in which it was started, and one below that for each worker.
#ifndef HOLDFAST_FRONTEND_SPAWNER_CGROUP_TREE_H_
#define HOLDFAST_FRONTEND_SPAWNER_CGROUP_TREE_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "frontend/spawner/cgroup.h"

namespace holdfast {

// Makes the tree of this process below `own`, and tries it: a controller that does not let itself
// be used has no place in what is returned, and nothing is left of the attempt.
//
// Version 2 allows no processes beside cgroups with limits: then this process moves into a leaf of
// its tree, "service", where its children start. That fails, and the controllers are not used, if
// others share its cgroup.
Cgroups MakeCgroupTree(const Cgroups& own);

// Removes the trees below `own` of services that are gone, with their processes: those that were
// killed together with their spawner. As far as it goes.
void RemoveStaleCgroupTrees(const Cgroups& own);

// The workers' cgroups that exist below `tree`.
std::vector<Cgroups> ListWorkerCgroups(const Cgroups& tree);

// Kills what runs in the workers' cgroups, and removes the tree; moves the calling process back
// where it came from. Waits for what is ending, for `patience` at most.
void RemoveCgroupTree(const Cgroups& tree, absl::Duration patience);

// For version 2: lets cgroups below `directory` have `controllers` ("memory pids"), after moving
// this process from there into `leaf` if it must, and undoes that. Both directories exist.
bool EnableControllers(const std::string& directory, absl::string_view controllers,
                       const std::string& leaf);
void DisableControllers(const std::string& directory, absl::string_view controllers);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SPAWNER_CGROUP_TREE_H_
