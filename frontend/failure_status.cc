#include "frontend/failure_status.h"

#include <signal.h>
#include <string.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/status.h"
#include "frontend/crash_reports/failure_site.h"
#include "frontend/worker_limits.h"

namespace holdfast {
namespace {

// The message goes twice: by itself, and in the details, which are base64 on the wire.
constexpr size_t kMaxMessageOnWire = 768;
constexpr size_t kMaxStderrOnWire = 1024;
constexpr size_t kMaxSaidInText = 300;
constexpr size_t kMaxSiteInText = 300;
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

// "536870912 bytes (--worker_memory_limit_bytes), measured: 536952832".
std::string LimitText(absl::string_view what, const WorkerFailure& failure,
                      absl::string_view unit) {
  std::string text = absl::StrCat("exceeded its ", what);
  if (failure.limit_flag().empty()) return text;
  // StrCat alone would write large numbers in powers of ten.
  absl::StrAppendFormat(&text, " of %.15g %s (%s)", failure.limit(), unit, failure.limit_flag());
  if (failure.measured() > 0) {
    absl::StrAppendFormat(&text, ", measured: %.15g", failure.measured());
  }
  return text;
}

std::string CauseText(const WorkerFailure& failure) {
  switch (failure.cause()) {
    case WorkerFailure::SIGNAL:
      return absl::StrCat("killed by signal ", failure.signal(), " (", strsignal(failure.signal()),
                          ")");
    case WorkerFailure::EXIT:
      return absl::StrCat("exited with code ", failure.exit_code());
    case WorkerFailure::TIME_LIMIT:
      return LimitText("time limit", failure, "s");
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
    case WorkerFailure::MEMORY_LIMIT:
      return LimitText("memory limit", failure, "bytes");
    case WorkerFailure::CPU_LIMIT:
      return LimitText("CPU time limit", failure, "s");
    case WorkerFailure::FILE_LIMIT:
      return LimitText("file size limit", failure, "bytes");
    case WorkerFailure::PROCESS_LIMIT:
      return LimitText("limit on processes and threads", failure, "");
    default:
      return "ended";
  }
}

// The same, as far as can be told.
bool AreAlike(const WorkerFailure& a, const WorkerFailure& b) {
  return a.cause() == b.cause() && a.signal() == b.signal() && a.exit_code() == b.exit_code() &&
         a.activity() == b.activity() && a.activity_index() == b.activity_index();
}

}  // namespace

bool IsFromOutside(const WorkerFailure& failure) {
  if (failure.cause() == WorkerFailure::SPAWNER_LOST) return true;
  constexpr int kSignals[] = {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
  return failure.cause() == WorkerFailure::SIGNAL &&
         std::find(std::begin(kSignals), std::end(kSignals), failure.signal()) !=
             std::end(kSignals);
}

std::string FailureCauseName(WorkerFailure::Cause cause) {
  return absl::AsciiStrToLower(WorkerFailure::Cause_Name(cause));
}

std::string DescribeFailure(const WorkerFailure& failure) {
  std::string text = CauseText(failure);
  const std::string said = absl::StrJoin(SpokenLines(failure.stderr_tail()), " | ");
  if (!said.empty()) absl::StrAppend(&text, "; stderr: ", Tail(said, kMaxSaidInText));
  // The innermost come first, so it is the outer ones that are cut.
  const std::string site = absl::StrJoin(InnermostFrames(failure.stderr_tail()), " < ");
  if (!site.empty()) absl::StrAppend(&text, "; at ", site.substr(0, kMaxSiteInText));
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

std::string DescribeActivity(const WorkerFailure& failure) {
  switch (failure.activity()) {
    case WorkerFailure::ACTION:
      return absl::StrCat("in action[", failure.activity_index(), "]");
    case WorkerFailure::OBSERVATION:
      return absl::StrCat("in observation_space[", failure.activity_index(), "]");
    case WorkerFailure::END_OF_STEP:
      return "at the end of the step";
    case WorkerFailure::FINGERPRINT:
      return "in its fingerprint";
    default:
      return "";
  }
}

grpc::Status StartFailureStatus(absl::string_view uri, Verdict verdict, bool is_limit_ours,
                                const WorkerFailure& failure) {
  if (IsFromOutside(failure)) {  // Nothing is left of it, so it may be sent again.
    return MakeFailureStatus(
        grpc::StatusCode::UNAVAILABLE,
        absl::StrCat("the session could not be started: the worker ", DescribeFailure(failure)),
        failure);
  }
  return MakeFailureStatus(
      verdict == Verdict::kTimeLimit && !is_limit_ours ? grpc::StatusCode::DEADLINE_EXCEEDED
                                                       : grpc::StatusCode::INVALID_ARGUMENT,
      absl::StrCat("benchmark ", uri, " cannot be used: in ", failure.attempts(), " of ",
                   failure.attempts(), " attempts to initialise it the worker ",
                   DescribeFailure(failure)),
      failure);
}

std::string DescribeForLog(const WorkerFailure& failure) {
  const std::string activity = DescribeActivity(failure);
  return absl::StrCat(
      DescribeFailure(failure), "; during ",
      failure.during().empty() ? "no call" : failure.during(), activity.empty() ? "" : " ",
      activity, ", attempt ", failure.attempts(), ", after ", failure.actions_applied(),
      " actions, peak RSS ", failure.peak_rss_bytes(), " bytes, CPU time ", failure.cpu_seconds(),
      " s; the session ", failure.session_restored() ? "goes on as before" : "does not go on");
}

Verdict JudgeFailure(WorkerFailure::Cause cause, int attempts, int retries,
                     absl::Duration time_left) {
  if (cause == WorkerFailure::TIME_LIMIT) {
    return attempts > 1 ? Verdict::kUnconfirmed : Verdict::kTimeLimit;
  }
  if (IsResourceLimit(cause)) return Verdict::kResourceLimit;
  if (attempts > retries) return attempts > 1 ? Verdict::kRepeated : Verdict::kUnconfirmed;
  if (time_left < kMinRetryTime) return Verdict::kUnconfirmed;
  return Verdict::kRetry;
}

bool IsOwnTimeLimit(const WorkerFailure& failure) {
  return failure.cause() == WorkerFailure::TIME_LIMIT && failure.limit_flag() == "--step_timeout" &&
         failure.activity() != WorkerFailure::NONE;
}

bool IsPoison(const WorkerFailure& first, const WorkerFailure& last) {
  if (IsResourceLimit(last.cause())) return true;
  if (last.cause() == WorkerFailure::TIME_LIMIT) return IsOwnTimeLimit(last);
  return !IsFromOutside(last) && last.attempts() > 1 && AreAlike(first, last);
}

ReplayFailures::Advice ReplayFailures::Add(const WorkerFailure& failure) {
  ++count_;
  if (IsFromOutside(failure)) {
    alike_ = 0;
  } else {
    alike_ = alike_ > 0 && AreAlike(last_, failure) ? alike_ + 1 : 1;
  }
  last_ = failure;
  if (alike_ >= kMaxAlike) return kGiveUp;
  return count_ >= kMax ? kLeaveToNextCall : kTryAgain;
}

absl::Time CallBudget(absl::Time now, absl::Duration limit, absl::Time client_deadline) {
  return std::min(now + limit, now + 0.95 * (client_deadline - now));
}

}  // namespace holdfast
