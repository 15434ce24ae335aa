#include "frontend/spawner/process_usage.h"

#include <dirent.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace holdfast {
namespace {

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
