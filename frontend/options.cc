#include "frontend/options.h"

#include <climits>

#include "absl/algorithm/container.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/version.h"
#include "frontend/logging/log_levels.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:0",
          "Where to serve: HOST:PORT (port 0: any free one) or unix:PATH. Whoever can connect has "
          "the rights of the service's user: mind what you open.");
ABSL_FLAG(
    std::string, metrics_listen, "127.0.0.1:0",
    "Where to serve /metrics, /healthz, /readyz and /statusz over HTTP: HOST:PORT (IPv4; port 0: "
    "any free one); empty: nowhere.");
ABSL_FLAG(std::string, working_dir, "",
          "Directory for port.txt, pid.txt, logs/ and scratch data. Default: a fresh one, which is "
          "removed at exit.");
ABSL_FLAG(std::string, worker, "",
          "The worker binary. Default: this binary, if it was made with the worker SDK.");
ABSL_FLAG(std::vector<std::string>, worker_flags, {},
          "Further flags for the worker binary, separated by commas.");
ABSL_FLAG(int, warm_workers, 2,
          "Idle workers to keep ready; while the demand asks for more, there are more. 0 to "
          "--max_workers.");
ABSL_FLAG(int, max_workers, 256, "Worker processes at most. 1 to 100000.");
ABSL_FLAG(
    int, worker_reuse, 1,
    "Sessions that one worker process may serve, one after another. More than 1 saves starts, but "
    "what a session leaves in the process meets the next. 1 to 1000000.");
ABSL_FLAG(absl::Duration, worker_start_timeout, absl::Seconds(20),
          "A worker that has not answered by then is killed. More than 0.");
ABSL_FLAG(absl::Duration, worker_wait_timeout, absl::Seconds(60),
          "How long a call waits for a free worker, at most. More than 0.");
ABSL_FLAG(absl::Duration, step_timeout, absl::Minutes(4),
          "Wall time of one call of a session, recovery and retries included. More than 0.");
ABSL_FLAG(absl::Duration, step_cpu_limit, absl::ZeroDuration(),
          "CPU time of one call of a session, with all processes that it starts; 0: no limit but "
          "--step_timeout.");
ABSL_FLAG(int, step_retries, 1, "How often a call is tried again whose worker failed. 0 to 10.");
ABSL_FLAG(
    bool, refuse_poisoned_steps, true,
    "Whether a step that has killed its worker in each attempt is refused when it comes again "
    "at the same place of its session. The session parameter service.refuse_poisoned_steps "
    "(0 or 1) says otherwise for one session.");
ABSL_FLAG(absl::Duration, session_idle_timeout, absl::Hours(24),
          "A session without a call for so long is ended; 0: never.");
ABSL_FLAG(
    absl::Duration, park_after, absl::Seconds(60),
    "A session without a call for so long gives up its worker, and gets another with its next "
    "call; 0: only if others need the worker.");
ABSL_FLAG(int, max_sessions, 100000, "Sessions at most, with or without a worker. At least 1.");
ABSL_FLAG(int64_t, checkpoint_bytes, 256 << 20,
          "Memory for snapshots of sessions, which make rebuilding one quick; 0: none are taken.");
ABSL_FLAG(int64_t, worker_memory_limit_bytes, 4LL << 30,
          "Memory that a worker, with all processes that it starts, may use; 0: no limit. Else at "
          "least 67108864.");
ABSL_FLAG(int64_t, worker_file_limit_bytes, 4LL << 30,
          "Size of any one file that a worker writes; 0: no limit. Else at least 4096.");
ABSL_FLAG(
    int64_t, worker_process_limit, 1024,
    "Processes and threads that a worker may have, itself included; 0: no limit. Else at least "
    "64.");
ABSL_FLAG(bool, worker_cgroups, true,
          "Whether limits on memory and processes are enforced by cgroups, where they can be made. "
          "Else the service looks at the workers from time to time.");
ABSL_FLAG(
    absl::Duration, session_drain_timeout, absl::ZeroDuration(),
    "On SIGTERM, SIGINT or `holdfastctl drain`, how long sessions may go on. The service is "
    "not ready then, so that balancers look elsewhere, serves whoever calls all the same, and "
    "ends earlier if there are no sessions any more. 0: they may not.");
ABSL_FLAG(absl::Duration, drain_timeout, absl::Seconds(10),
          "After that, how long open calls may go on, while new ones are refused. At least 0.");
ABSL_FLAG(std::string, front_name, "",
          "Name of this service among several. Replies carry it as the header holdfast-front, "
          "except those of Step: a balancer can send what follows to the same one. At most 64 "
          "letters, digits, '-', '_' and '.'. Default: none, and no header.");
ABSL_FLAG(std::string, admin_socket, "",
          "Path of the Unix socket for holdfastctl, which only the service's user can open. "
          "Default: admin.sock in the working directory; none: there is no such socket.");
ABSL_FLAG(bool, status_page, true,
          "Whether /statusz and /statusz.json are served beside /metrics.");
ABSL_FLAG(bool, grpc_reflection, true,
          "Whether clients as grpcurl may ask which services there are, and for their messages.");
ABSL_FLAG(int64_t, benchmark_cache_bytes, 54525952,
          "Size of the benchmark cache. At least 0. Sessions keep their benchmarks beyond it.");
ABSL_FLAG(std::vector<std::string>, benchmark_roots, {},
          "Directories, separated by commas, below which benchmarks may name programs by file:// "
          "URIs. Default: none.");
ABSL_FLAG(bool, allow_benchmark_commands, false,
          "Whether build and run commands of benchmarks are executed, as the service's user.");
ABSL_FLAG(int64_t, max_message_bytes, 256 << 20, "Largest request or reply. 1024 to 2147483647.");
ABSL_FLAG(int64_t, max_inflight_bytes, 1LL << 30,
          "Requests and replies under way, all together; beyond it new calls are refused. At least "
          "1024.");
ABSL_FLAG(int64_t, max_record_bytes, 4LL << 30,
          "Benchmarks and histories of all sessions together; beyond it calls are refused. At "
          "least 1024.");
ABSL_FLAG(std::string, crash_report_dir, "",
          "Directory for crash reports, which hold programs. Default: crashes/ in --working_dir; "
          "without either they are removed at the end.");
ABSL_FLAG(
    int, max_crash_reports, 100,
    "Crash reports that are kept, one for each distinct failure; 0: none are written. At most "
    "1000000.");
ABSL_FLAG(int64_t, max_crash_report_bytes, 256 << 20, "Size of all crash reports. At least 0.");
ABSL_FLAG(bool, alsologtostderr, false,
          "Log to stderr as well as to logs/. Always on without --working_dir.");
ABSL_FLAG(
    holdfast::LogLevels, log_level, holdfast::LogLevels(),
    absl::StrCat("What is logged at least: debug, info, warning or error; if need be, another "
                 "level for a subsystem, as in info,pool=debug. Subsystems: ",
                 holdfast::SubsystemNames(), "."));
ABSL_FLAG(holdfast::LogFormat, log_format, holdfast::LogFormat::kText,
          "How logs are written: text, or json, with an object on each line.");
ABSL_FLAG(int, v, 0, "More than 0: --log_level is debug, but for the subsystems that it names.");
ABSL_FLAG(int, logbuflevel, 0, "Accepted for glog's sake: the log is not buffered anyway.");

namespace holdfast {
namespace {

// The first complaint, if any: "--NAME is VALUE, must be RANGE".
class Checker {
 public:
  void Require(bool holds, absl::string_view flag, absl::string_view value,
               absl::string_view range) {
    if (holds || !status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat("--", flag, " is ", value.empty() ? "empty" : value, ", must be ", range));
  }
  template <typename Int>
  void InRange(absl::string_view flag, Int value, Int low, Int high) {
    Require(value >= low && value <= high, flag, absl::StrCat(value),
            high == std::numeric_limits<Int>::max() ? absl::StrCat("at least ", low)
                                                    : absl::StrCat("in [", low, ", ", high, "]"));
  }
  void Positive(absl::string_view flag, absl::Duration value) {
    Require(value > absl::ZeroDuration(), flag, absl::FormatDuration(value), "more than 0");
  }
  void NotNegative(absl::string_view flag, absl::Duration value) {
    Require(value >= absl::ZeroDuration(), flag, absl::FormatDuration(value), "at least 0");
  }
  void ZeroOrAtLeast(absl::string_view flag, int64_t value, int64_t low) {
    Require(value == 0 || value >= low, flag, absl::StrCat(value),
            absl::StrCat("0, for no limit, or at least ", low));
  }
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

// HOST:PORT or unix:PATH. gRPC itself takes a port modulo 65536.
bool IsAddress(absl::string_view address) {
  if (absl::ConsumePrefix(&address, "unix:")) return !address.empty();
  const size_t colon = address.rfind(':');
  int port = -1;
  return colon != absl::string_view::npos && absl::SimpleAtoi(address.substr(colon + 1), &port) &&
         port >= 0 && port <= 65535;
}

// It stands in headers, and in the configuration of balancers.
bool IsFrontName(absl::string_view name) {
  return name.size() <= 64 && absl::c_all_of(name, [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
         });
}

absl::Status Check(const Options& options) {
  Checker check;
  check.Require(IsAddress(options.listen), "listen", options.listen,
                "HOST:PORT or unix:PATH, with a port in [0, 65535]");
  check.Require(options.metrics_listen.empty() || absl::StrContains(options.metrics_listen, ':'),
                "metrics_listen", options.metrics_listen, "HOST:PORT or empty");
  check.InRange("max_workers", options.max_workers, 1, 100000);
  check.InRange("warm_workers", options.warm_workers, 0, options.max_workers);
  check.InRange("worker_reuse", options.worker_reuse, 1, 1'000'000);
  check.Positive("worker_start_timeout", options.worker_start_timeout);
  check.Positive("worker_wait_timeout", options.worker_wait_timeout);
  check.Positive("step_timeout", options.step_timeout);
  check.NotNegative("step_cpu_limit", options.step_cpu_limit);
  check.InRange("step_retries", options.step_retries, 0, 10);
  check.NotNegative("session_idle_timeout", options.session_idle_timeout);
  check.NotNegative("park_after", options.park_after);
  check.InRange("max_sessions", options.max_sessions, 1, INT_MAX);
  check.InRange<int64_t>("checkpoint_bytes", options.checkpoint_bytes, 0, INT64_MAX);
  check.ZeroOrAtLeast("worker_memory_limit_bytes", options.worker_memory_limit_bytes, 64 << 20);
  check.ZeroOrAtLeast("worker_file_limit_bytes", options.worker_file_limit_bytes, 4096);
  check.ZeroOrAtLeast("worker_process_limit", options.worker_process_limit, 64);
  check.NotNegative("session_drain_timeout", options.session_drain_timeout);
  check.NotNegative("drain_timeout", options.drain_timeout);
  check.Require(IsFrontName(options.front_name), "front_name", options.front_name,
                "at most 64 letters, digits, '-', '_' and '.'");
  check.InRange<int64_t>("benchmark_cache_bytes", options.benchmark_cache_bytes, 0, INT64_MAX);
  check.InRange<int64_t>("max_message_bytes", options.max_message_bytes, 1024, INT_MAX);
  check.InRange<int64_t>("max_inflight_bytes", options.max_inflight_bytes, 1024, INT64_MAX);
  check.InRange<int64_t>("max_record_bytes", options.max_record_bytes, 1024, INT64_MAX);
  check.InRange("max_crash_reports", options.max_crash_reports, 0, 1'000'000);
  check.InRange<int64_t>("max_crash_report_bytes", options.max_crash_report_bytes, 0, INT64_MAX);
  for (const std::string& root : options.benchmark_roots) {
    check.Require(absl::StartsWith(root, "/"), "benchmark_roots", root, "absolute paths");
  }
  return check.status();
}

}  // namespace

absl::StatusOr<Options> ParseOptions(int argc, char** argv, const std::string& usage) {
  absl::SetProgramUsageMessage(usage);
  absl::FlagsUsageConfig config;
  config.version_string = [] { return absl::StrCat("Holdfast ", kVersion, "\n"); };
  // --help shows the flags of this project and of the session, not those of libraries.
  config.contains_help_flags = [](absl::string_view file) {
    return !absl::StrContains(file, "absl/");
  };
  absl::SetFlagsUsageConfig(config);
  const std::vector<char*> positional = absl::ParseCommandLine(argc, argv);
  if (positional.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("unexpected positional argument '", positional[1], "'"));
  }
  Options options;
  options.listen = absl::GetFlag(FLAGS_listen);
  options.metrics_listen = absl::GetFlag(FLAGS_metrics_listen);
  options.working_dir = absl::GetFlag(FLAGS_working_dir);
  options.worker = absl::GetFlag(FLAGS_worker);
  options.worker_flags = absl::GetFlag(FLAGS_worker_flags);
  options.warm_workers = absl::GetFlag(FLAGS_warm_workers);
  options.max_workers = absl::GetFlag(FLAGS_max_workers);
  options.worker_reuse = absl::GetFlag(FLAGS_worker_reuse);
  options.worker_start_timeout = absl::GetFlag(FLAGS_worker_start_timeout);
  options.worker_wait_timeout = absl::GetFlag(FLAGS_worker_wait_timeout);
  options.step_timeout = absl::GetFlag(FLAGS_step_timeout);
  options.step_cpu_limit = absl::GetFlag(FLAGS_step_cpu_limit);
  options.step_retries = absl::GetFlag(FLAGS_step_retries);
  options.refuse_poisoned_steps = absl::GetFlag(FLAGS_refuse_poisoned_steps);
  options.session_idle_timeout = absl::GetFlag(FLAGS_session_idle_timeout);
  options.park_after = absl::GetFlag(FLAGS_park_after);
  options.max_sessions = absl::GetFlag(FLAGS_max_sessions);
  options.checkpoint_bytes = absl::GetFlag(FLAGS_checkpoint_bytes);
  options.worker_memory_limit_bytes = absl::GetFlag(FLAGS_worker_memory_limit_bytes);
  options.worker_file_limit_bytes = absl::GetFlag(FLAGS_worker_file_limit_bytes);
  options.worker_process_limit = absl::GetFlag(FLAGS_worker_process_limit);
  options.worker_cgroups = absl::GetFlag(FLAGS_worker_cgroups);
  options.session_drain_timeout = absl::GetFlag(FLAGS_session_drain_timeout);
  options.drain_timeout = absl::GetFlag(FLAGS_drain_timeout);
  options.front_name = absl::GetFlag(FLAGS_front_name);
  options.admin_socket = absl::GetFlag(FLAGS_admin_socket);
  options.status_page = absl::GetFlag(FLAGS_status_page);
  options.grpc_reflection = absl::GetFlag(FLAGS_grpc_reflection);
  options.benchmark_cache_bytes = absl::GetFlag(FLAGS_benchmark_cache_bytes);
  options.benchmark_roots = absl::GetFlag(FLAGS_benchmark_roots);
  options.allow_benchmark_commands = absl::GetFlag(FLAGS_allow_benchmark_commands);
  options.max_message_bytes = absl::GetFlag(FLAGS_max_message_bytes);
  options.max_inflight_bytes = absl::GetFlag(FLAGS_max_inflight_bytes);
  options.max_record_bytes = absl::GetFlag(FLAGS_max_record_bytes);
  options.crash_report_dir = absl::GetFlag(FLAGS_crash_report_dir);
  options.max_crash_reports = absl::GetFlag(FLAGS_max_crash_reports);
  options.max_crash_report_bytes = absl::GetFlag(FLAGS_max_crash_report_bytes);
  options.log_to_stderr = absl::GetFlag(FLAGS_alsologtostderr) || options.working_dir.empty();
  options.log_levels = absl::GetFlag(FLAGS_log_level);
  if (absl::GetFlag(FLAGS_v) > 0) options.log_levels.base = LogLevel::kDebug;
  options.log_format = absl::GetFlag(FLAGS_log_format);
  const absl::Status status = Check(options);
  if (!status.ok()) return status;
  return options;
}

}  // namespace holdfast
