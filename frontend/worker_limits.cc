#include "frontend/worker_limits.h"

#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "frontend/crash_reports/failure_site.h"

namespace holdfast {
namespace {

WorkerFailure Excess(WorkerFailure::Cause cause, absl::string_view flag, double limit,
                     double measured) {
  WorkerFailure failure;
  failure.set_cause(cause);
  SetLimit(flag, limit, measured, &failure);
  return failure;
}

WorkerFailure MemoryExcess(const WorkerLimits& limits, int64_t measured) {
  return Excess(WorkerFailure::MEMORY_LIMIT, "--worker_memory_limit_bytes",
                static_cast<double>(limits.process.memory_bytes), static_cast<double>(measured));
}

WorkerFailure ProcessExcess(const WorkerLimits& limits, int64_t measured) {
  // A limit that the kernel holds is met, never exceeded.
  return Excess(WorkerFailure::PROCESS_LIMIT, "--worker_process_limit",
                static_cast<double>(limits.process.processes),
                static_cast<double>(std::max(measured, limits.process.processes)));
}

// Whether the last that was said is what libstdc++ or LLVM says when operator new fails. A stack
// trace may follow.
bool EndsInFailedAllocation(absl::string_view stderr_tail) {
  const std::vector<std::string> lines = SpokenLines(stderr_tail);
  if (lines.empty()) return false;
  constexpr absl::string_view kLlvm = "LLVM ERROR: out of memory";
  return lines.back() == "what():  std::bad_alloc" || absl::StartsWith(lines.back(), kLlvm) ||
         (lines.size() > 1 && lines[lines.size() - 2] == kLlvm);  // Its second line says of what.
}

}  // namespace

absl::optional<WorkerFailure> FindExcess(const WorkerLimits& limits, const ProcessUsage& usage,
                                         double cpu_before) {
  const ProcessLimits& process = limits.process;
  if (process.memory_bytes > 0 &&
      (usage.memory_limit_hit || usage.memory_bytes > process.memory_bytes)) {
    return MemoryExcess(limits, std::max(usage.memory_bytes, process.memory_bytes));
  }
  if (process.processes > 0 && (usage.process_limit_hit || usage.processes > process.processes)) {
    return ProcessExcess(limits, usage.processes);
  }
  const double call_cpu = absl::ToDoubleSeconds(limits.call_cpu);
  if (call_cpu > 0 && usage.cpu_seconds - cpu_before > call_cpu) {
    return Excess(WorkerFailure::CPU_LIMIT, "--step_cpu_limit", call_cpu,
                  usage.cpu_seconds - cpu_before);
  }
  return absl::nullopt;
}

absl::optional<WorkerFailure> FindExcess(const WorkerLimits& limits, const ProcessExit& exit,
                                         absl::string_view stderr_tail) {
  const ProcessLimits& process = limits.process;
  const int64_t peak = exit.peak_rss_bytes;
  if (process.memory_bytes > 0) {
    if (exit.memory_limit_hit) return MemoryExcess(limits, std::max(peak, process.memory_bytes));
    if (peak > process.memory_bytes) return MemoryExcess(limits, peak);
    if (limits.is_memory_watched && exit.signal == SIGABRT && EndsInFailedAllocation(stderr_tail)) {
      return MemoryExcess(limits, 0);
    }
  }
  if (process.file_bytes > 0 && exit.signal == SIGXFSZ) {
    return Excess(WorkerFailure::FILE_LIMIT, "--worker_file_limit_bytes",
                  static_cast<double>(process.file_bytes),
                  static_cast<double>(process.file_bytes));  // The write beyond it was refused.
  }
  if (process.processes > 0 && exit.process_limit_hit) return ProcessExcess(limits, 0);
  return absl::nullopt;
}

bool IsResourceLimit(WorkerFailure::Cause cause) {
  switch (cause) {
    case WorkerFailure::MEMORY_LIMIT:
    case WorkerFailure::CPU_LIMIT:
    case WorkerFailure::FILE_LIMIT:
    case WorkerFailure::PROCESS_LIMIT:
      return true;
    default:
      return false;
  }
}

void SetLimit(absl::string_view flag, double limit, double measured, WorkerFailure* failure) {
  failure->set_limit_flag(std::string(flag));
  failure->set_limit(limit);
  failure->set_measured(measured);
}

}  // namespace holdfast
