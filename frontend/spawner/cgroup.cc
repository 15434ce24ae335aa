#include "frontend/spawner/cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"

namespace holdfast {
namespace {

constexpr char kProcesses[] = "cgroup.procs";
constexpr char kKill[] = "cgroup.kill";
constexpr char kPidsMax[] = "pids.max";
constexpr char kPidsEvents[] = "pids.events";
constexpr char kOomKills[] = "oom_kill";

struct MemoryFiles {
  const char* limit;
  const char* events;
  const char* peak;
};

constexpr MemoryFiles kMemoryFiles[] = {
    {},
    {"memory.limit_in_bytes", "memory.oom_control", "memory.max_usage_in_bytes"},
    {"memory.max", "memory.events", "memory.peak"},
};

int64_t Number(absl::string_view text, int64_t otherwise) {
  int64_t number = 0;
  return absl::SimpleAtoi(text, &number) ? number : otherwise;
}

// Of lines "name number".
int64_t Count(absl::string_view text, absl::string_view name) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::ConsumePrefix(&line, name) && absl::ConsumePrefix(&line, " ")) return Number(line, 0);
  }
  return 0;
}

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string Unescape(absl::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// The path within the hierarchy that a line "id:controllers:path" names, if it is of `controller`
// ("" for version 2).
absl::optional<std::string> PathIn(absl::string_view cgroup, absl::string_view controller) {
  for (absl::string_view line : absl::StrSplit(cgroup, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::vector<absl::string_view> names = absl::StrSplit(parts[1], ',');
    if (controller.empty() && parts[0] != "0") continue;
    if (absl::c_linear_search(names, controller)) return std::string(parts[2]);
  }
  return absl::nullopt;
}

// Where `path` of that hierarchy is mounted.
absl::optional<std::string> DirectoryOf(absl::string_view mountinfo, absl::string_view controller,
                                        absl::string_view path) {
  for (absl::string_view line : absl::StrSplit(mountinfo, '\n')) {
    // ID parent device root mount-point options [tags] - type source super-options
    const std::vector<absl::string_view> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (halves.size() != 2) continue;
    const std::vector<absl::string_view> mount = absl::StrSplit(halves[0], ' ');
    const std::vector<absl::string_view> source = absl::StrSplit(halves[1], ' ');
    if (mount.size() < 6 || source.size() < 3) continue;
    const std::vector<absl::string_view> options = absl::StrSplit(source[2], ',');
    if (controller.empty() ? source[0] != "cgroup2"
                           : source[0] != "cgroup" || !absl::c_linear_search(options, controller)) {
      continue;
    }
    // The mount may show a part of the hierarchy only.
    const std::string root = Unescape(mount[3]);
    absl::string_view below = path;
    if (root != "/" && !absl::ConsumePrefix(&below, root)) continue;
    if (!below.empty() && below[0] != '/') continue;
    return absl::StrCat(Unescape(mount[4]), below == "/" ? "" : below);
  }
  return absl::nullopt;
}

CgroupPlace Find(absl::string_view cgroup, absl::string_view mountinfo,
                 absl::string_view controller) {
  for (const auto& [version, name] :
       {std::pair(1, controller), std::pair(2, absl::string_view())}) {
    auto path = PathIn(cgroup, name);
    if (!path || absl::StartsWith(*path, "/..")) continue;
    auto directory = DirectoryOf(mountinfo, name, *path);
    if (directory) return {version, *directory};
  }
  return {};
}

absl::Status SetLimits(const Cgroups& cgroups, const ProcessLimits& limits) {
  const CgroupPlace& memory = cgroups.memory;
  if (memory) {
    absl::Status set = WriteCgroupFile(memory.directory, kMemoryFiles[memory.version].limit,
                                       absl::StrCat(limits.memory_bytes));
    if (!set.ok()) return set;
    // What the kernel may lack is not an error: there is no swap then, or less comfort.
    if (memory.version == 1) {
      WriteCgroupFile(memory.directory, "memory.memsw.limit_in_bytes",
                      absl::StrCat(limits.memory_bytes))
          .IgnoreError();
    } else {
      WriteCgroupFile(memory.directory, "memory.swap.max", "0").IgnoreError();
      WriteCgroupFile(memory.directory, "memory.oom.group", "1").IgnoreError();
    }
  }
  if (!cgroups.pids) return absl::OkStatus();
  return WriteCgroupFile(cgroups.pids.directory, kPidsMax, absl::StrCat(limits.processes));
}

// Not by its number alone, which may be another's by now.
void KillMember(pid_t pid, absl::string_view directory) {
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return;
  // What is sure to be in the path, wherever the hierarchy is mounted: service and worker.
  const size_t worker = directory.rfind('/');
  const size_t service = directory.rfind('/', worker - 1);
  const std::string cgroup = ReadCgroupFile(absl::StrCat("/proc/", pid), "cgroup");
  if (!absl::StrContains(cgroup, absl::StrCat(directory.substr(service), "\n"))) return;
  syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
}

std::vector<pid_t> ListDirectory(const std::string& directory) {
  std::vector<pid_t> pids;
  const std::string text = ReadCgroupFile(directory, kProcesses);
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    pids.push_back(static_cast<pid_t>(Number(line, 0)));
  }
  return pids;
}

}  // namespace

std::vector<std::string> Cgroups::Directories() const {
  std::vector<std::string> directories;
  if (memory) directories.push_back(memory.directory);
  if (pids && (!memory || pids.directory != memory.directory)) {
    directories.push_back(pids.directory);
  }
  return directories;
}

Cgroups Cgroups::Below(const std::string& name) const {
  Cgroups below = *this;
  for (CgroupPlace* place : {&below.memory, &below.pids}) {
    if (*place) absl::StrAppend(&place->directory, "/", name);
  }
  return below;
}

Cgroups FindCgroups(absl::string_view cgroup, absl::string_view mountinfo) {
  return {Find(cgroup, mountinfo, "memory"), Find(cgroup, mountinfo, "pids")};
}

Cgroups WorkerCgroups(const Cgroups& tree, uint64_t process, const ProcessLimits& limits) {
  Cgroups worker = tree.Below(absl::StrCat(process));
  if (limits.memory_bytes <= 0) worker.memory = {};
  if (limits.processes <= 0) worker.pids = {};
  return worker;
}

LimitEvidence ReadLimitEvidence(const Cgroups& cgroups) {
  LimitEvidence evidence;
  if (cgroups.memory) {
    const MemoryFiles& files = kMemoryFiles[cgroups.memory.version];
    const std::string& directory = cgroups.memory.directory;
    // Most often there is none, and the other files need not be read, which is not cheap.
    if (Count(ReadCgroupFile(directory, files.events), kOomKills) > 0) {
      evidence.peak_memory_bytes = Number(ReadCgroupFile(directory, files.peak), 0);
      // The peak may stay below the limit by what one allocation asked for.
      const int64_t limit = Number(ReadCgroupFile(directory, files.limit), 0);
      evidence.memory_limit_hit =
          evidence.peak_memory_bytes == 0 || evidence.peak_memory_bytes >= limit - limit / 8;
    }
  }
  if (cgroups.pids) {
    evidence.process_limit_hit =
        Count(ReadCgroupFile(cgroups.pids.directory, kPidsEvents), "max") > 0;
  }
  return evidence;
}

absl::Status MakeCgroups(const Cgroups& cgroups, const ProcessLimits& limits) {
  absl::Status made;
  for (const std::string& directory : cgroups.Directories()) {
    if (mkdir(directory.c_str(), 0755) != 0) {
      made.Update(absl::ErrnoToStatus(errno, absl::StrCat("mkdir ", directory)));
    }
  }
  made.Update(SetLimits(cgroups, limits));
  if (!made.ok()) RemoveCgroups(cgroups);
  return made;
}

absl::StatusOr<std::vector<UniqueFd>> OpenCgroupEntries(const Cgroups& cgroups) {
  std::vector<UniqueFd> entries;
  for (const std::string& directory : cgroups.Directories()) {
    const std::string path = absl::StrCat(directory, "/", kProcesses);
    entries.emplace_back(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!entries.back()) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  }
  return entries;
}

std::vector<pid_t> ListCgroup(const Cgroups& cgroups) {
  const std::vector<std::string> directories = cgroups.Directories();
  return directories.empty() ? std::vector<pid_t>() : ListDirectory(directories.front());
}

void KillCgroups(const Cgroups& cgroups) {
  if (cgroups.pids) WriteCgroupFile(cgroups.pids.directory, kPidsMax, "0").IgnoreError();
  for (const std::string& directory : cgroups.Directories()) {
    if (WriteCgroupFile(directory, kKill, "1").ok()) continue;  // Version 2, Linux 5.14.
    for (pid_t pid : ListDirectory(directory)) KillMember(pid, directory);
  }
}

bool RemoveCgroups(const Cgroups& cgroups) {
  bool gone = true;
  for (const std::string& directory : cgroups.Directories()) {
    if (rmdir(directory.c_str()) != 0 && errno != ENOENT) gone = false;
  }
  return gone;
}

std::string ReadCgroupFile(const std::string& directory, absl::string_view name) {
  const UniqueFd file(open(absl::StrCat(directory, "/", name).c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char bytes[4096];
  for (ssize_t size; file && (size = read(file.get(), bytes, sizeof(bytes))) > 0;) {
    text.append(bytes, static_cast<size_t>(size));
  }
  return text;
}

absl::Status WriteCgroupFile(const std::string& directory, absl::string_view name,
                             absl::string_view text) {
  const std::string path = absl::StrCat(directory, "/", name);
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  ssize_t written;
  do {
    written = write(file.get(), text.data(), text.size());
    // Setting a limit on memory is interruptible, and the children of a spawner end at any time.
  } while (written < 0 && errno == EINTR);
  if (written < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("write '", text, "' to ", path));
  }
  return absl::OkStatus();
}

}  // namespace holdfast
