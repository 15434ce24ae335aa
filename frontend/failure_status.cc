#include "frontend/failure_status.h"

#include <string.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/status.h"

namespace holdfast {
namespace {

// The message goes twice: by itself, and in the details, which are base64 on the wire.
constexpr size_t kMaxMessageOnWire = 768;
constexpr size_t kMaxStderrOnWire = 1024;
constexpr size_t kMaxStderrInText = 300;
// What a retry needs at the very least.
constexpr absl::Duration kMinRetryTime = absl::Milliseconds(10);

absl::string_view Tail(absl::string_view text, size_t size) {
  return text.size() <= size ? text : text.substr(text.size() - size);
}

// A proto3 string must be UTF-8, and a worker may write anything: only ASCII remains.
std::string Printable(absl::string_view text) {
  std::string printable(text);
  for (char& c : printable) {
    if (!absl::ascii_isprint(c) && !absl::ascii_isspace(c)) c = '?';
  }
  return printable;
}

std::string CauseText(const WorkerFailure& failure) {
  switch (failure.cause()) {
    case WorkerFailure::SIGNAL:
      return absl::StrCat("killed by signal ", failure.signal(), " (", strsignal(failure.signal()),
                          ")");
    case WorkerFailure::EXIT:
      return absl::StrCat("exited with code ", failure.exit_code());
    case WorkerFailure::TIME_LIMIT:
      return "exceeded its time limit";
    case WorkerFailure::LINK:
      return "stopped answering";
    case WorkerFailure::START_TIMEOUT:
      return "did not start in time (--worker_start_timeout)";
    case WorkerFailure::PREEMPTED:
      return "was stopped, because its caller gave up or its session was ended";
    case WorkerFailure::SPAWN:
      return "could not be started";
    case WorkerFailure::SPAWNER_LOST:
      return "ended with the spawner process";
    case WorkerFailure::SHUTDOWN:
      return "was stopped with the service";
    default:
      return "ended";
  }
}

}  // namespace

std::string FailureCauseName(WorkerFailure::Cause cause) {
  return absl::AsciiStrToLower(WorkerFailure::Cause_Name(cause));
}

std::string DescribeFailure(const WorkerFailure& failure) {
  std::string text = CauseText(failure);
  const std::string tail = Printable(Tail(failure.stderr_tail(), kMaxStderrInText));
  const absl::string_view stripped = absl::StripAsciiWhitespace(tail);
  if (!stripped.empty()) {
    absl::StrAppend(&text, "; stderr: ", absl::StrReplaceAll(stripped, {{"\n", " | "}}));
  }
  return text;
}

grpc::Status MakeFailureStatus(grpc::StatusCode code, absl::string_view message,
                               const WorkerFailure& failure) {
  WorkerFailure bounded = failure;
  bounded.set_stderr_tail(Printable(Tail(failure.stderr_tail(), kMaxStderrOnWire)));
  StatusDetails details;
  details.set_code(code);
  details.set_message(BoundMessage(Printable(message), kMaxMessageOnWire));
  details.add_details()->PackFrom(bounded);
  return grpc::Status(code, details.message(), details.SerializeAsString());
}

grpc::Status TranslateSessionStatus(WorkerMethod method, const grpc::Status& status) {
  grpc::StatusCode code = status.error_code();
  std::string message = BoundMessage(status.error_message());
  if (code == grpc::StatusCode::UNAVAILABLE) code = grpc::StatusCode::INTERNAL;
  if (code == grpc::StatusCode::NOT_FOUND && method == WorkerMethod::kStartSession) {
    code = grpc::StatusCode::INVALID_ARGUMENT;
  }
  if (absl::StartsWith(message, "Session not found")) {
    message = BoundMessage(absl::StrCat("The session says: ", message));
  }
  return grpc::Status(code, message);
}

Verdict JudgeFailure(WorkerFailure::Cause cause, int attempts, int retries,
                     absl::Duration time_left) {
  if (cause == WorkerFailure::TIME_LIMIT) {
    return attempts > 1 ? Verdict::kUnconfirmed : Verdict::kTimeLimit;
  }
  if (attempts > retries) return attempts > 1 ? Verdict::kRepeated : Verdict::kUnconfirmed;
  if (time_left < kMinRetryTime) return Verdict::kUnconfirmed;
  return Verdict::kRetry;
}

absl::Time CallBudget(absl::Time now, absl::Duration limit, absl::Time client_deadline) {
  return std::min(now + limit, now + 0.95 * (client_deadline - now));
}

}  // namespace holdfast
