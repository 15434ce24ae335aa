// How a failure reads: to the client as a status, to people as a line. Pure functions.
#ifndef HOLDFAST_FRONTEND_FAILURE_STATUS_H_
#define HOLDFAST_FRONTEND_FAILURE_STATUS_H_

#include <grpcpp/support/status.h>

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "frontend/worker_client.h"
#include "proto/worker_failure.pb.h"

namespace holdfast {

// Whether somebody or something else ended the worker, so that it is not its compiler's doing.
bool IsFromOutside(const WorkerFailure& failure);

// "signal", "time_limit", …: the name of a metric label.
std::string FailureCauseName(WorkerFailure::Cause cause);

// One line: "killed by signal 6 (Aborted); stderr: what the compiler said; at innermost frame < its
// caller", the last 300 bytes of what was said, and 300 of the frames.
std::string DescribeFailure(const WorkerFailure& failure);

// What the worker was doing, as "in action[2]"; empty if there is nothing to tell.
std::string DescribeActivity(const WorkerFailure& failure);

// The whole record in one line, but for the stderr that does not fit: for the log.
std::string DescribeForLog(const WorkerFailure& failure);

// A status with `failure` in its details (grpc-status-details-bin), within 4 KiB on the wire: the
// stderr tail is cut to 1 KiB, the message to 768 bytes. Only ASCII remains of both.
grpc::Status MakeFailureStatus(grpc::StatusCode code, absl::string_view message,
                               const WorkerFailure& failure);

// What the client sees of a status that the session itself returned from `method`. It passes as it
// is, but where the protocol gives a code or a text a meaning of its own: UNAVAILABLE would be
// re-sent, NOT_FOUND means that the benchmark or the session is unknown.
grpc::Status TranslateSessionStatus(WorkerMethod method, const grpc::Status& status);

// What becomes of a call whose worker failed.
enum class Verdict {
  kRetry,          // On another worker.
  kRepeated,       // ABORTED: it failed again on the retry.
  kUnconfirmed,    // ABORTED: no time is left for a retry, or it did not end in what was left.
  kTimeLimit,      // DEADLINE_EXCEEDED: it took too long, and would again.
  kResourceLimit,  // RESOURCE_EXHAUSTED: it used too much, and would again.
};

// `attempts`: so far, at least 1; `retries`: allowed, --step_retries; `time_left`: of the call's
// budget.
Verdict JudgeFailure(WorkerFailure::Cause cause, int attempts, int retries,
                     absl::Duration time_left);

// The answer to a StartSession whose benchmark `uri` failed its workers, in `failure.attempts()`
// attempts. `is_limit_ours`: if it took too long, by --step_timeout, and not by the caller's
// deadline.
grpc::Status StartFailureStatus(absl::string_view uri, Verdict verdict, bool is_limit_ours,
                                const WorkerFailure& failure);

// Whether it is the compiler that took longer than it may. Not if the caller had less patience, or
// if the worker never began, as when somebody has stopped it.
bool IsOwnTimeLimit(const WorkerFailure& failure);

// Whether a call that failed so for good would surely do so again: it exceeded a limit, or killed
// several workers in the same way. `first` and `last` attempt may be the same.
bool IsPoison(const WorkerFailure& first, const WorkerFailure& last);

// Not a compiler's doing: somebody has killed the worker, or the spawner.
bool IsFromOutside(const WorkerFailure& failure);

// Failures in a row of the attempts to restore one session.
class ReplayFailures {
 public:
  // Three that are alike are no chance. Those that come from outside, and different ones, may be:
  // whoever kills one worker may kill many, but the record is as good as it was.
  static constexpr int kMaxAlike = 3;
  static constexpr int kMax = 10;
  enum Advice { kTryAgain, kLeaveToNextCall, kGiveUp };

  // A replay that came to another state is a failure of no cause.
  Advice Add(const WorkerFailure& failure);

 private:
  int count_ = 0;
  int alike_ = 0;
  WorkerFailure last_;
};

// When a call must be over, replays and retries included: after `limit`, or at 95 % of the time
// that the client gave, so that our answer still reaches it.
absl::Time CallBudget(absl::Time now, absl::Duration limit, absl::Time client_deadline);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_FAILURE_STATUS_H_
