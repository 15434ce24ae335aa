#include "frontend/admin/service_limits.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "frontend/admin/human_units.h"

namespace holdfast {
namespace {

constexpr char kNone[] = "none";

std::string Bytes(int64_t bytes) { return bytes > 0 ? HumanBytes(bytes) : kNone; }
std::string Count(int64_t count) { return count > 0 ? absl::StrCat(count) : kNone; }
std::string Time(absl::Duration time) {
  return time > absl::ZeroDuration() ? absl::FormatDuration(time) : kNone;
}

}  // namespace

std::vector<admin::Limit> DescribeLimits(const Options& options,
                                         const LimitMechanisms& mechanisms) {
  struct Row {
    const char* flag;
    std::string value;
    std::string mechanism;
  };
  const Row rows[] = {
      {"--worker_memory_limit_bytes", Bytes(options.worker_memory_limit_bytes), mechanisms.memory},
      {"--worker_process_limit", Count(options.worker_process_limit), mechanisms.processes},
      {"--worker_file_limit_bytes", Bytes(options.worker_file_limit_bytes), "rlimit"},
      {"--step_cpu_limit", Time(options.step_cpu_limit), kWatchdog},
      {"--step_timeout", Time(options.step_timeout), ""},
      {"--worker_start_timeout", Time(options.worker_start_timeout), ""},
      {"--worker_wait_timeout", Time(options.worker_wait_timeout), ""},
      {"--session_idle_timeout", Time(options.session_idle_timeout), ""},
      {"--park_after", Time(options.park_after), ""},
      {"--max_workers", Count(options.max_workers), ""},
      {"--max_sessions", Count(options.max_sessions), ""},
      {"--max_message_bytes", Bytes(options.max_message_bytes), ""},
      {"--max_crash_report_bytes", Bytes(options.max_crash_report_bytes), ""},
  };
  std::vector<admin::Limit> limits;
  for (const Row& row : rows) {
    admin::Limit& limit = limits.emplace_back();
    limit.set_flag(row.flag);
    limit.set_value(row.value);
    if (row.value != kNone) limit.set_mechanism(row.mechanism);
  }
  return limits;
}

std::vector<std::pair<std::string, std::string>> DescribeMechanisms(
    const Options& options, const LimitMechanisms& mechanisms) {
  constexpr std::pair<const char*, const char*> kNames[] = {
      {"memory", "--worker_memory_limit_bytes"},
      {"processes", "--worker_process_limit"},
      {"file_size", "--worker_file_limit_bytes"},
      {"cpu", "--step_cpu_limit"},
  };
  const std::vector<admin::Limit> limits = DescribeLimits(options, mechanisms);
  std::vector<std::pair<std::string, std::string>> described;
  for (const auto& [name, flag] : kNames) {
    const auto limit =
        absl::c_find_if(limits, [f = flag](const admin::Limit& one) { return one.flag() == f; });
    const bool is_held = limit != limits.end() && !limit->mechanism().empty();
    described.emplace_back(name, is_held ? limit->mechanism() : kNone);
  }
  return described;
}

}  // namespace holdfast
