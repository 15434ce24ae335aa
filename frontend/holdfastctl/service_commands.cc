#include "frontend/holdfastctl/service_commands.h"

#include <google/protobuf/util/json_util.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "frontend/holdfastctl/admin_client.h"
#include "frontend/holdfastctl/metrics_text.h"
#include "frontend/holdfastctl/status_text.h"
#include "frontend/holdfastctl/table.h"
#include "frontend/holdfastctl/top.h"

namespace holdfast {
namespace {

// Of a terminal that does not tell its size, and of a block that goes elsewhere.
constexpr int kRows = 24;
// More than any terminal has lines.
constexpr int kMaxTopSessions = 200;

// The fields of the status named `keys`; none: all.
std::string ToJson(const admin::ServiceStatus& status, const std::vector<std::string>& keys,
                   int indent = 1) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(status, &text, options).ok()) return "";
  const auto all = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  nlohmann::ordered_json chosen = nlohmann::ordered_json::object();
  for (const std::string& key : keys) {
    if (all.contains(key)) chosen[key] = all[key];
  }
  return absl::StrCat((keys.empty() ? all : chosen).dump(indent), "\n");
}

// Asks for the status, and prints it as `text` does, or those fields of it.
int ShowStatus(const Arguments& arguments, const CommandOptions& options,
               const std::vector<std::string>& keys,
               std::string (*text)(const admin::ServiceStatus&)) {
  const absl::StatusOr<std::unique_ptr<AdminClient>> service = AdminClient::Connect(arguments[0]);
  if (!service.ok()) return Trouble(service.status());
  const absl::StatusOr<admin::ServiceStatus> status = (*service)->GetStatus();
  if (!status.ok()) return Trouble(status.status());
  std::cout << (options.json ? ToJson(*status, keys) : text(*status)) << std::flush;
  return kYes;
}

// Draws blocks of lines one over another on a terminal, or one after another elsewhere. It changes
// no mode of the terminal, so there is none to restore, however it ends.
class Screen {
 public:
  Screen() : is_terminal_(isatty(STDOUT_FILENO) == 1) {
    // Leaves the cursor below what is drawn.
    const auto end = [](int /*signal*/) {
      _exit(write(STDOUT_FILENO, "\n", 1) == 1 ? kYes : kTrouble);
    };
    for (const int signal_number : {SIGINT, SIGTERM}) signal(signal_number, end);
    if (is_terminal_) std::cout << "\033[2J";
  }

  // The size of a block. The last line of a terminal is left to the cursor.
  std::pair<int, int> Size() const {
    winsize size{};
    const bool is_known = is_terminal_ && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    const int rows = is_known && size.ws_row > 0 ? size.ws_row : kRows;
    const int columns = is_known && size.ws_col > 0 ? size.ws_col : kColumns;
    return {rows - 1, std::min(columns, kColumns)};
  }

  void Draw(const std::vector<std::string>& lines) {
    if (!is_terminal_) {
      std::cout << (is_first_ ? "" : "\n") << JoinLines(lines) << std::flush;
    } else {
      std::string text = "\033[H";
      for (const std::string& line : lines) absl::StrAppend(&text, line, "\033[K\n");
      std::cout << text << "\033[J" << std::flush;
    }
    is_first_ = false;
  }

 private:
  const bool is_terminal_;
  bool is_first_ = true;
};

}  // namespace

int RunStatus(const Arguments& arguments, const CommandOptions& options) {
  return ShowStatus(arguments, options, {}, StatusText);
}

int RunSessions(const Arguments& arguments, const CommandOptions& options) {
  return ShowStatus(arguments, options, {"time", "sessions", "sessions_by_state"}, SessionsText);
}

int RunWorkers(const Arguments& arguments, const CommandOptions& options) {
  return ShowStatus(arguments, options,
                    {"time", "workers", "exits", "waiting_requests", "warm_target"}, WorkersText);
}

int RunFailures(const Arguments& arguments, const CommandOptions& options) {
  return ShowStatus(arguments, options, {"time", "failures"}, FailuresText);
}

int RunHealth(const Arguments& arguments, const CommandOptions& options) {
  const absl::StatusOr<std::unique_ptr<AdminClient>> service = AdminClient::Connect(arguments[0]);
  if (!service.ok()) return Trouble(service.status());
  admin::GetStatusRequest little;
  little.set_max_sessions(1);
  little.set_max_failures(1);
  const absl::StatusOr<admin::ServiceStatus> status = (*service)->GetStatus(little);
  if (!status.ok()) return Trouble(status.status());
  std::cout << (options.json ? ToJson(*status, {"readiness", "reason"})
                             : absl::StrCat(Showable(ReadinessText(*status)), "\n"))
            << std::flush;
  // It says why it is not, or that its supervision thread hangs.
  const bool is_ready =
      status->readiness() == admin::ServiceStatus::READY && status->reason().empty();
  return is_ready ? kYes : kNo;
}

int RunMetrics(const Arguments& arguments, const CommandOptions& options) {
  const absl::StatusOr<std::unique_ptr<AdminClient>> service = AdminClient::Connect(arguments[0]);
  if (!service.ok()) return Trouble(service.status());
  const absl::StatusOr<std::string> text = (*service)->GetMetrics();
  if (!text.ok()) return Trouble(text.status());
  if (options.json) {
    std::cout << MetricsToJson(*text) << std::flush;
  } else {
    std::cout << (options.raw ? *text : SummarizeMetrics(*text)) << std::flush;
  }
  return kYes;
}

int RunTop(const Arguments& arguments, const CommandOptions& options) {
  const absl::StatusOr<std::unique_ptr<AdminClient>> service = AdminClient::Connect(arguments[0]);
  if (!service.ok()) return Trouble(service.status());
  absl::optional<Screen> screen;
  absl::optional<TopSample> earlier;
  for (int i = 0; options.iterations == 0 || i < options.iterations; ++i) {
    if (i > 0) absl::SleepFor(options.interval);
    admin::GetStatusRequest request;
    request.set_max_sessions(kMaxTopSessions);
    absl::StatusOr<admin::ServiceStatus> status = (*service)->GetStatus(request);
    if (!status.ok()) return Trouble(status.status());
    const absl::StatusOr<std::string> metrics = (*service)->GetMetrics();
    if (!metrics.ok()) return Trouble(metrics.status());
    if (options.json) {
      std::cout << ToJson(*status, {}, /*indent=*/-1) << std::flush;
      continue;
    }
    if (!screen.has_value()) screen.emplace();
    TopSample now{*std::move(status), ParseMetrics(*metrics)};
    const auto [rows, columns] = screen->Size();
    screen->Draw(TopLines(earlier, now, rows, columns));
    earlier = std::move(now);
  }
  return kYes;
}

int RunLog(const Arguments& arguments, const CommandOptions& options) {
  const absl::StatusOr<std::unique_ptr<AdminClient>> service = AdminClient::Connect(arguments[0]);
  if (!service.ok()) return Trouble(service.status());
  const absl::Status status = (*service)->ReadLog(
      options.lines, options.follow,
      [](const std::string& line) { std::cout << Showable(line) << std::endl; });
  return status.ok() ? kYes : Trouble(status);
}

int RunDrain(const Arguments& arguments, const CommandOptions& options) {
  const absl::StatusOr<std::unique_ptr<AdminClient>> service = AdminClient::Connect(arguments[0]);
  if (!service.ok()) return Trouble(service.status());
  const absl::StatusOr<int64_t> sessions = (*service)->Drain();
  if (!sessions.ok()) return Trouble(sessions.status());
  std::cout << "the service ends; it has " << *sessions << " sessions" << std::endl;
  if (options.wait) {
    (*service)->AwaitEnd();
    std::cout << "the service has ended" << std::endl;
  }
  return kYes;
}

int RunKillWorker(const Arguments& arguments, const CommandOptions& options) {
  uint64_t worker = 0;
  if (!absl::SimpleAtoi(arguments[1], &worker)) {
    return Trouble(absl::StrCat("the worker is ", arguments[1],
                                ", must be a number (see holdfastctl workers)"));
  }
  const absl::StatusOr<std::unique_ptr<AdminClient>> service = AdminClient::Connect(arguments[0]);
  if (!service.ok()) return Trouble(service.status());
  const absl::StatusOr<int> pid = (*service)->KillWorker(worker);
  if (absl::IsNotFound(pid.status())) {
    Trouble(pid.status());
    return kNo;
  }
  if (!pid.ok()) return Trouble(pid.status());
  std::cout << "killed worker " << worker << " (pid " << *pid << ")" << std::endl;
  return kYes;
}

}  // namespace holdfast
