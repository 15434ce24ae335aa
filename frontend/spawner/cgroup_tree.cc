#include "frontend/spawner/cgroup_tree.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace holdfast {
namespace {

constexpr char kTreePrefix[] = "holdfast-";
constexpr char kLeaf[] = "service";
constexpr char kProbe[] = "probe";
constexpr char kControllers[] = "cgroup.controllers";
constexpr char kSubtreeControl[] = "cgroup.subtree_control";
constexpr char kProcesses[] = "cgroup.procs";
constexpr absl::Duration kRetryDelay = absl::Milliseconds(2);
// For trying: any that the kernel takes.
constexpr ProcessLimits kProbeLimits{int64_t{1} << 30, 0, 1000};

std::vector<std::string> Subdirectories(const std::string& directory) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(opendir(directory.c_str()), closedir);
  if (open == nullptr) return names;
  while (const dirent* entry = readdir(open.get())) {
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  return names;
}

std::string Parent(const std::string& directory) {
  return directory.substr(0, directory.rfind('/'));
}

bool Exists(const std::string& directory) { return access(directory.c_str(), F_OK) == 0; }

bool Remove(const std::string& directory) {
  return rmdir(directory.c_str()) == 0 || errno == ENOENT;
}

bool EnterCgroup(const std::string& directory) {
  return WriteCgroupFile(directory, kProcesses, "0").ok();
}

// "+memory +pids" for "memory pids".
std::string Signed(absl::string_view controllers, absl::string_view sign) {
  const std::vector<absl::string_view> names = absl::StrSplit(controllers, ' ', absl::SkipEmpty());
  return absl::StrJoin(names, " ", [&](std::string* out, absl::string_view name) {
    absl::StrAppend(out, sign, name);
  });
}

// Those of the two that the kernel offers here, in cgroups of version 2.
std::string OfferedControllers(const std::string& directory) {
  const std::string text = ReadCgroupFile(directory, kControllers);
  const std::vector<absl::string_view> all =
      absl::StrSplit(absl::StripTrailingAsciiWhitespace(text), ' ');
  std::vector<absl::string_view> offered;
  for (absl::string_view name : {"memory", "pids"}) {
    if (absl::c_linear_search(all, name)) offered.push_back(name);
  }
  return absl::StrJoin(offered, " ");
}

bool MakeTreeDirectory(const std::string& directory, int version) {
  if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) return false;
  if (version == 1) return true;
  const std::string own = Parent(directory);
  const std::string controllers = OfferedControllers(own);
  return !controllers.empty() &&
         EnableControllers(own, controllers, absl::StrCat(directory, "/", kLeaf)) &&
         WriteCgroupFile(directory, kSubtreeControl, Signed(controllers, "+")).ok();
}

bool RemoveTreeDirectory(const std::string& directory) {
  const std::string leaf = absl::StrCat(directory, "/", kLeaf);
  if (Exists(leaf)) {
    const std::string own = Parent(directory);
    const std::string controllers = OfferedControllers(own);
    DisableControllers(directory, controllers);
    DisableControllers(own, controllers);
    EnterCgroup(own);
    Remove(leaf);
  }
  return Remove(directory);
}

bool Works(const CgroupPlace& memory, const CgroupPlace& pids) {
  const Cgroups probe = Cgroups{memory, pids}.Below(kProbe);
  const bool works = MakeCgroups(probe, kProbeLimits).ok() && OpenCgroupEntries(probe).ok();
  return RemoveCgroups(probe) && works;
}

}  // namespace

bool EnableControllers(const std::string& directory, absl::string_view controllers,
                       const std::string& leaf) {
  const std::string enable = Signed(controllers, "+");
  if (WriteCgroupFile(directory, kSubtreeControl, enable).ok()) return true;
  if (mkdir(leaf.c_str(), 0755) == 0 && EnterCgroup(leaf)) {
    if (WriteCgroupFile(directory, kSubtreeControl, enable).ok()) return true;
    EnterCgroup(directory);
  }
  Remove(leaf);
  return false;
}

void DisableControllers(const std::string& directory, absl::string_view controllers) {
  WriteCgroupFile(directory, kSubtreeControl, Signed(controllers, "-")).IgnoreError();
}

Cgroups MakeCgroupTree(const Cgroups& own) {
  const Cgroups whole = own.Below(absl::StrCat(kTreePrefix, getpid()));
  Cgroups tree = whole;
  for (CgroupPlace* place : {&tree.memory, &tree.pids}) {
    if (*place && !MakeTreeDirectory(place->directory, place->version)) *place = {};
  }
  if (tree.memory && !Works(tree.memory, {})) tree.memory = {};
  if (tree.pids && !Works({}, tree.pids)) tree.pids = {};
  const std::vector<std::string> used = tree.Directories();
  for (const std::string& directory : whole.Directories()) {
    if (!absl::c_linear_search(used, directory)) RemoveTreeDirectory(directory);
  }
  return tree;
}

void RemoveStaleCgroupTrees(const Cgroups& own) {
  for (const std::string& directory : own.Directories()) {
    for (const std::string& name : Subdirectories(directory)) {
      absl::string_view number = name;
      pid_t pid = 0;
      if (!absl::ConsumePrefix(&number, kTreePrefix) || !absl::SimpleAtoi(number, &pid)) continue;
      // A tree of our own number was an earlier process's.
      if (pid <= 0 || (pid != getpid() && (kill(pid, 0) == 0 || errno != ESRCH))) continue;
      const std::string tree = absl::StrCat(directory, "/", name);
      for (const std::string& worker : Subdirectories(tree)) {
        Remove(absl::StrCat(tree, "/", worker));
      }
      Remove(tree);
    }
  }
}

std::vector<Cgroups> ListWorkerCgroups(const Cgroups& tree) {
  std::set<std::string> names;
  for (const std::string& directory : tree.Directories()) {
    for (std::string& name : Subdirectories(directory)) {
      if (uint64_t number; absl::SimpleAtoi(name, &number)) names.insert(std::move(name));
    }
  }
  std::vector<Cgroups> workers;
  for (const std::string& name : names) workers.push_back(tree.Below(name));
  return workers;
}

void RemoveCgroupTree(const Cgroups& tree, absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  for (;;) {
    bool gone = true;
    for (const Cgroups& worker : ListWorkerCgroups(tree)) {
      KillCgroups(worker);
      gone &= RemoveCgroups(worker);
    }
    if (gone) break;
    if (absl::Now() > end) return;
    absl::SleepFor(kRetryDelay);
  }
  for (const std::string& directory : tree.Directories()) RemoveTreeDirectory(directory);
}

}  // namespace holdfast
