#include "frontend/admin/service_limits.h"

#include <utility>

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

std::string LimitMechanism(absl::string_view flag, const Options& options,
                           const LimitMechanisms& mechanisms) {
  for (const admin::Limit& limit : DescribeLimits(options, mechanisms)) {
    if (limit.flag() == flag && !limit.mechanism().empty()) return limit.mechanism();
  }
  return kNone;
}

}  // namespace holdfast
