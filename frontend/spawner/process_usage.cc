#include "frontend/spawner/process_usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <unordered_map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/unique_fd.h"

namespace holdfast {
namespace {

// Fields of /proc/PID/stat after the name, which may contain anything; proc(5) counts from 1, and
// the first of these is its third.
enum StatField {
  kState = 0,
  kParent = 1,
  kGroup = 2,
  kUserTicks = 11,
  kChildrenSystemTicks = 14,
  kThreads = 17,
  kRssPages = 21,
  kStatFields = 22,
};

// Both files are shorter; a longer one is cut off behind what is looked at.
std::string ReadProcFile(pid_t pid, absl::string_view name) {
  const std::string path = absl::StrCat("/proc/", pid, "/", name);
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 2048> bytes;
  const ssize_t size = file ? read(file.get(), bytes.data(), bytes.size()) : 0;
  return size > 0 ? std::string(bytes.data(), static_cast<size_t>(size)) : std::string();
}

// nullopt if the kernel does not tell.
absl::optional<int64_t> ReadPss(pid_t pid) {
  const std::string text = ReadProcFile(pid, "smaps_rollup");
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    int64_t kib = 0;
    if (absl::ConsumePrefix(&line, "Pss:") && absl::ConsumeSuffix(&line, " kB") &&
        absl::SimpleAtoi(line, &kib)) {
      return kib * 1024;
    }
  }
  return absl::nullopt;
}

}  // namespace

absl::optional<ProcessStat> ParseProcessStat(absl::string_view text) {
  static const auto kTicksPerSecond = static_cast<double>(sysconf(_SC_CLK_TCK));
  static const int64_t kPageBytes = sysconf(_SC_PAGESIZE);
  const size_t name_end = text.rfind(") ");
  ProcessStat stat;
  if (name_end == absl::string_view::npos ||
      !absl::SimpleAtoi(text.substr(0, text.find(' ')), &stat.pid)) {
    return absl::nullopt;
  }
  const std::vector<absl::string_view> fields = absl::StrSplit(text.substr(name_end + 2), ' ');
  if (fields.size() < kStatFields || fields[kState].size() != 1) return absl::nullopt;
  stat.state = fields[kState][0];
  bool valid = absl::SimpleAtoi(fields[kParent], &stat.parent) &&
               absl::SimpleAtoi(fields[kGroup], &stat.group) &&
               absl::SimpleAtoi(fields[kThreads], &stat.threads) &&
               absl::SimpleAtoi(fields[kRssPages], &stat.rss_bytes);
  stat.rss_bytes *= kPageBytes;
  for (int field = kUserTicks; field <= kChildrenSystemTicks; ++field) {
    int64_t ticks = 0;
    valid = valid && absl::SimpleAtoi(fields[field], &ticks);
    stat.cpu_seconds += static_cast<double>(ticks) / kTicksPerSecond;
  }
  return valid ? absl::make_optional(stat) : absl::nullopt;
}

absl::optional<ProcessStat> ReadProcessStat(pid_t pid) {
  return ParseProcessStat(ReadProcFile(pid, "stat"));
}

std::vector<ProcessStat> ReadProcessStats(absl::Span<const pid_t> pids) {
  std::vector<ProcessStat> processes;
  for (pid_t pid : pids) {
    if (auto stat = ReadProcessStat(pid)) processes.push_back(*stat);
  }
  return processes;
}

std::vector<ProcessStat> ReadAllProcessStats() {
  std::vector<pid_t> pids;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  while (const dirent* entry = proc == nullptr ? nullptr : readdir(proc.get())) {
    if (pid_t pid; absl::SimpleAtoi(entry->d_name, &pid)) pids.push_back(pid);
  }
  return ReadProcessStats(pids);
}

std::vector<std::vector<ProcessStat>> GroupByLeader(absl::Span<const ProcessStat> processes,
                                                    absl::Span<const pid_t> leaders) {
  std::unordered_map<pid_t, pid_t> parents;
  for (const ProcessStat& process : processes) parents[process.pid] = process.parent;
  std::unordered_map<pid_t, size_t> groups;
  for (size_t i = 0; i < leaders.size(); ++i) {
    if (leaders[i] > 0) groups[leaders[i]] = i;
  }
  std::vector<std::vector<ProcessStat>> members(leaders.size());
  for (const ProcessStat& process : processes) {
    auto found = groups.find(process.group);
    // /proc changes while it is read, so parents may even form a circle.
    size_t steps = 0;
    for (pid_t pid = process.pid; found == groups.end() && steps < parents.size(); ++steps) {
      found = groups.find(pid);
      const auto parent = parents.find(pid);
      if (parent == parents.end()) break;
      pid = parent->second;
    }
    if (found != groups.end()) members[found->second].push_back(process);
  }
  return members;
}

ProcessUsage SumUsage(absl::Span<const ProcessStat> processes, int64_t memory_limit) {
  ProcessUsage usage;
  for (const ProcessStat& process : processes) {
    usage.memory_bytes += process.rss_bytes;
    usage.cpu_seconds += process.cpu_seconds;
    if (process.alive()) usage.processes += process.threads;
  }
  if (memory_limit <= 0 || usage.memory_bytes <= memory_limit || processes.size() < 2) return usage;
  usage.memory_bytes = 0;
  for (const ProcessStat& process : processes) {
    usage.memory_bytes += ReadPss(process.pid).value_or(process.rss_bytes);
  }
  return usage;
}

}  // namespace holdfast
