// A crash report as what it tells to do: calls, to be replayed, taken apart and named. Pure.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_CRASH_SCRIPT_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_CRASH_SCRIPT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "proto/compiler_gym_service.pb.h"
#include "proto/crash_report.pb.h"

namespace holdfast {

// One call of a session: a step, here with its observations, or a parameter.
using Call = HistoryEntry;

// History and failing call, in order. The latter is not among them if it was the start of the
// session, or if there was none.
std::vector<Call> CallsOf(const CrashReport& report);

int64_t CountActions(const std::vector<Call>& calls);

// A report of the same failure with these calls in place of its own, the last of which fails as
// `failure` says. No calls: the start fails.
CrashReport WithCalls(CrashReport report, const std::vector<Call>& calls,
                      const WorkerFailure& failure);

// The smallest call: one action, one observation or one parameter. Those of one call have the same
// `group`; groups ascend.
struct Atom {
  Call call;
  int group = 0;
};
std::vector<Atom> AtomsOf(const std::vector<Call>& calls);

// kSplit: each atom is a call of its own. kOriginal: those of one group make one call.
enum class Grouping { kSplit, kOriginal };
// `kept`: indices into `atoms`, ascending.
std::vector<Call> Assemble(const std::vector<Atom>& atoms, const std::vector<int>& kept,
                           Grouping grouping);

// What is compared to tell whether two failures are the same: nothing that differs from one process
// to the next, as addresses do.
struct FailureIdentity {
  WorkerFailure::Cause cause = WorkerFailure::UNKNOWN;
  int signal = 0;     // If cause is SIGNAL.
  int exit_code = 0;  // If cause is EXIT.
  // The action, observation or parameter in which it failed. Empty: the worker did not say which of
  // several; that is like any other.
  std::string where;
};
// `call`: the call that failed; null: the start of the session.
FailureIdentity IdentityOf(const WorkerFailure& failure, const Call* call);
FailureIdentity IdentityOf(const CrashReport& report);
bool MayBeInAction(const FailureIdentity& identity);
bool IsSame(const FailureIdentity& a, const FailureIdentity& b);

// ---- For people: one line of printable ASCII ----

// Everything else, and the backslash, as \xNN. What a report holds is not to be trusted.
std::string Printable(absl::string_view text);
// "SIGSEGV", "exit 1", "time_limit".
std::string DescribeCause(WorkerFailure::Cause cause, int signal, int exit_code);
// "sroa (122), gvn (61)", "observation Ir (0)", "parameter key = value". Without spaces (null) or
// names there are numbers only.
std::string DescribeCall(const Call& call, const compiler_gym::GetSpacesReply* spaces,
                         int action_space);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_CRASH_SCRIPT_H_
