// What a service can be told: the flags, checked.
#ifndef HOLDFAST_FRONTEND_OPTIONS_H_
#define HOLDFAST_FRONTEND_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "frontend/logging/log_levels.h"

namespace holdfast {

// Each field is the flag of the same name; options.cc has the defaults and the help.
struct Options {
  std::string listen;
  std::string metrics_listen;
  std::string working_dir;
  std::string worker;
  std::vector<std::string> worker_flags;
  int warm_workers = 0;
  int max_workers = 0;
  int worker_reuse = 1;
  absl::Duration worker_start_timeout;
  absl::Duration worker_wait_timeout;
  absl::Duration step_timeout;
  absl::Duration step_cpu_limit;
  int step_retries = 0;
  bool refuse_poisoned_steps = true;
  absl::Duration session_idle_timeout;
  absl::Duration park_after;
  int max_sessions = 0;
  int64_t checkpoint_bytes = 0;
  int64_t worker_memory_limit_bytes = 0;
  int64_t worker_file_limit_bytes = 0;
  int64_t worker_process_limit = 0;
  bool worker_cgroups = true;
  absl::Duration session_drain_timeout;
  absl::Duration drain_timeout;
  std::string front_name;
  std::string admin_socket;
  bool status_page = true;
  bool grpc_reflection = true;
  int64_t benchmark_cache_bytes = 0;
  std::vector<std::string> benchmark_roots;
  bool allow_benchmark_commands = false;
  int64_t max_message_bytes = 0;
  int64_t max_inflight_bytes = 0;
  int64_t max_record_bytes = 0;
  std::string crash_report_dir;
  int max_crash_reports = 0;
  int64_t max_crash_report_bytes = 0;
  bool log_to_stderr = false;
  LogLevels log_levels;
  LogFormat log_format = LogFormat::kText;
};

// Parses argv, which ends the process with exit code 1 for an unknown flag. InvalidArgument for a
// bad value or a positional argument, naming it and what is allowed.
absl::StatusOr<Options> ParseOptions(int argc, char** argv, const std::string& usage);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_OPTIONS_H_
