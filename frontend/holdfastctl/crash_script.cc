#include "frontend/holdfastctl/crash_script.h"

#include <string.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "frontend/action_name.h"
#include "frontend/failure_status.h"

namespace holdfast {
namespace {

// Longest value of an action or parameter that is shown.
constexpr size_t kMaxValueText = 200;

constexpr char kAction[] = "action ";  // What FailureIdentity::where begins with in an action.

Call StepCall(const compiler_gym::StepRequest& step) {
  Call call;
  *call.mutable_step() = step;
  return call;
}

std::string Where(const WorkerFailure& failure, const compiler_gym::StepRequest& step) {
  const int index = failure.activity_index();
  if (failure.activity() == WorkerFailure::OBSERVATION && index >= 0 &&
      index < step.observation_space_size()) {
    return absl::StrCat("observation ", step.observation_space(index));
  }
  if (failure.activity() == WorkerFailure::ACTION && index >= 0 && index < step.action_size()) {
    return absl::StrCat(kAction, step.action(index).SerializeAsString());
  }
  const bool is_after_actions = failure.activity() == WorkerFailure::END_OF_STEP ||
                                failure.activity() == WorkerFailure::FINGERPRINT;
  const int things = step.action_size() + step.observation_space_size();
  if (step.action_size() > 0 && (is_after_actions || things == 1)) {
    return absl::StrCat(kAction, step.action(step.action_size() - 1).SerializeAsString());
  }
  if (things == 0) return "step";
  return things == 1 ? absl::StrCat("observation ", step.observation_space(0)) : "";
}

}  // namespace

std::vector<Call> CallsOf(const CrashReport& report) {
  std::vector<Call> calls(report.history().begin(), report.history().end());
  if (report.has_step()) calls.push_back(StepCall(report.step()));
  if (report.has_parameter()) *calls.emplace_back().mutable_parameter() = report.parameter();
  return calls;
}

int64_t CountActions(const std::vector<Call>& calls) {
  int64_t count = 0;
  for (const Call& call : calls) count += call.step().action_size();
  return count;
}

CrashReport WithCalls(CrashReport report, const std::vector<Call>& calls,
                      const WorkerFailure& failure) {
  const compiler_gym::StartSessionRequest start = report.start();
  report.clear_history();
  report.clear_call();
  for (size_t i = 0; i + 1 < calls.size(); ++i) *report.add_history() = calls[i];
  if (calls.empty()) {
    *report.mutable_start() = start;
    report.mutable_start()->set_action_space(report.action_space());
  } else if (calls.back().has_step()) {
    *report.mutable_step() = calls.back().step();
  } else {
    *report.mutable_parameter() = calls.back().parameter();
  }
  *report.mutable_failure() = failure;
  return report;
}

std::vector<Atom> AtomsOf(const std::vector<Call>& calls) {
  std::vector<Atom> atoms;
  int group = 0;
  for (const Call& call : calls) {
    const compiler_gym::StepRequest& step = call.step();  // Empty if it is a parameter.
    for (const compiler_gym::Event& action : step.action()) {
      compiler_gym::StepRequest one;
      *one.add_action() = action;
      atoms.push_back({StepCall(one), group});
    }
    for (const int observation : step.observation_space()) {
      compiler_gym::StepRequest one;
      one.add_observation_space(observation);
      atoms.push_back({StepCall(one), group});
    }
    if (step.action_size() + step.observation_space_size() == 0) atoms.push_back({call, group});
    ++group;
  }
  return atoms;
}

std::vector<Call> Assemble(const std::vector<Atom>& atoms, const std::vector<int>& kept,
                           Grouping grouping) {
  std::vector<Call> calls;
  int last_group = -1;
  for (const int index : kept) {
    const Atom& atom = atoms[static_cast<size_t>(index)];
    if (grouping == Grouping::kOriginal && atom.group == last_group) {
      calls.back().MergeFrom(atom.call);
    } else {
      calls.push_back(atom.call);
    }
    last_group = atom.group;
  }
  return calls;
}

FailureIdentity IdentityOf(const WorkerFailure& failure, const Call* call) {
  FailureIdentity identity;
  identity.cause = failure.cause();
  // A process that we ended ends by our signal: that tells nothing.
  if (failure.cause() == WorkerFailure::SIGNAL) identity.signal = failure.signal();
  if (failure.cause() == WorkerFailure::EXIT) identity.exit_code = failure.exit_code();
  if (call == nullptr) {
    identity.where = "start";
  } else if (call->has_parameter()) {
    identity.where = absl::StrCat("parameter ", call->parameter().key());
  } else {
    identity.where = Where(failure, call->step());
  }
  return identity;
}

FailureIdentity IdentityOf(const CrashReport& report) {
  if (report.has_start()) return IdentityOf(report.failure(), nullptr);
  const std::vector<Call> calls = CallsOf(report);
  const bool has_call = report.has_step() || report.has_parameter();
  FailureIdentity identity = IdentityOf(report.failure(), has_call ? &calls.back() : nullptr);
  if (!has_call) identity.where.clear();
  return identity;
}

bool MayBeInAction(const FailureIdentity& identity) {
  return identity.where.empty() || absl::StartsWith(identity.where, kAction);
}

bool IsSame(const FailureIdentity& a, const FailureIdentity& b) {
  return a.cause == b.cause && a.signal == b.signal && a.exit_code == b.exit_code &&
         (a.where.empty() || b.where.empty() || a.where == b.where);
}

std::string Printable(absl::string_view text) {
  std::string printable;
  for (const char c : text) {
    if (absl::ascii_isprint(static_cast<unsigned char>(c)) && c != '\\') {
      printable.push_back(c);
    } else {
      absl::StrAppendFormat(&printable, "\\x%02x", static_cast<unsigned char>(c));
    }
  }
  return printable;
}

std::string DescribeCause(WorkerFailure::Cause cause, int signal, int exit_code) {
  if (cause == WorkerFailure::EXIT) return absl::StrCat("exit ", exit_code);
  if (cause != WorkerFailure::SIGNAL) return FailureCauseName(cause);
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? absl::StrCat("signal ", signal) : absl::StrCat("SIG", name);
}

std::string DescribeCall(const Call& call, const compiler_gym::GetSpacesReply* spaces,
                         int action_space) {
  if (call.has_parameter()) {
    return absl::StrCat("parameter ", Printable(call.parameter().key()), " = ",
                        Printable(call.parameter().value().substr(0, kMaxValueText)));
  }
  compiler_gym::Space space;
  if (spaces != nullptr && action_space >= 0 && action_space < spaces->action_space_list_size()) {
    space = spaces->action_space_list(action_space).space();
  }
  std::vector<std::string> texts;
  for (const compiler_gym::Event& action : call.step().action()) {
    texts.push_back(Printable(DescribeAction(space, action)));
  }
  for (const int index : call.step().observation_space()) {
    const bool is_known =
        spaces != nullptr && index >= 0 && index < spaces->observation_space_list_size();
    texts.push_back(is_known ? absl::StrCat("observation ",
                                            Printable(spaces->observation_space_list(index).name()),
                                            " (", index, ")")
                             : absl::StrCat("observation ", index));
  }
  return texts.empty() ? "nothing" : absl::StrJoin(texts, ", ");
}

}  // namespace holdfast
