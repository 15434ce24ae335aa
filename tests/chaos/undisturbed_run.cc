#include "tests/chaos/undisturbed_run.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"

namespace holdfast::chaos {
namespace {

constexpr absl::Duration kCallTimeout = absl::Minutes(5);
constexpr int kSessionsToFindChance = 24;

// The digest of the reply to a step; 0, and why, if it fails.
size_t StepAndDigest(TestSession* session, const std::vector<int64_t>& actions,
                     const std::vector<int>& observations, std::string* why) {
  compiler_gym::StepReply reply;
  const grpc::Status status = session->Step(actions, observations, &reply, kCallTimeout);
  if (!status.ok()) *why = absl::StrCat("fails undisturbed: ", status.error_message());
  return status.ok() ? Digest(reply) : 0;
}

// Applies so many of the actions that the session is in the state that was seen. Those behind the
// one that failed were not applied; which one failed, the client was not told.
std::string ApplyPartially(const Entry& entry, int state, TestSession* session) {
  std::string why;
  if (StepAndDigest(session, {}, {state}, &why) == entry.reply) return "";
  for (const int64_t action : entry.actions) {
    StepAndDigest(session, {action}, {}, &why);
    if (!why.empty()) return why;
    if (StepAndDigest(session, {}, {state}, &why) == entry.reply) return "";
  }
  return "failed, and left a state that none of its actions leads to";
}

std::string Apply(const Entry& entry, int state, TestSession* session) {
  if (entry.is_partial) return ApplyPartially(entry, state, session);
  std::string why;
  if (entry.parameter.empty()) {
    const size_t reply = StepAndDigest(session, entry.actions, entry.observations, &why);
    return why.empty() && reply != entry.reply ? "was answered otherwise" : why;
  }
  const std::pair<std::string, std::string> parameter = absl::StrSplit(entry.parameter, '=');
  compiler_gym::SendSessionParameterReply replies;
  const grpc::Status status =
      session->SendParameter(parameter.first, parameter.second, replies.add_reply());
  if (!status.ok()) return absl::StrCat("fails undisturbed: ", status.error_message());
  return Digest(replies) == entry.reply ? "" : "was answered otherwise";
}

// Plays the record's actions one by one, in several sessions at once, and names the first action
// after which they differ: the compiler's result depends on chance. Empty: they do not.
std::string FindChance(const SessionRecord& record, const ServiceProcess& service) {
  const Offer& offer = *record.offer;
  std::vector<TestSession> sessions;
  for (int i = 0; i < kSessionsToFindChance; ++i) {
    sessions.emplace_back(service, ProgramUri(*offer.type, record.program),
                          offer.programs[static_cast<size_t>(record.program)], offer.action_space);
  }
  for (const Entry& entry : record.entries) {
    for (const int64_t action : entry.actions) {
      std::set<size_t> states;
      for (TestSession& session : sessions) {
        std::string why;
        StepAndDigest(&session, {action}, {}, &why);
        states.insert(StepAndDigest(&session, {}, {offer.state}, &why));
      }
      if (states.size() == 1) continue;
      return absl::StrCat("; but the compiler itself depends on chance: action ", action, " (",
                          offer.action_names[static_cast<size_t>(action)], ") had ", states.size(),
                          " results in ", sessions.size(), " sessions");
    }
  }
  return "";
}

}  // namespace

std::string FindDifference(const SessionRecord& record, const ServiceProcess& service) {
  const Offer& offer = *record.offer;
  const std::string what = absl::StrCat("session ", record.id, " (", offer.type->name, ", program ",
                                        record.program, ", ", record.entries.size(), " calls)");
  int64_t id = 0;
  const auto client = service.NewClient();
  const grpc::Status started = StartSession(client.get(), ProgramUri(*offer.type, record.program),
                                            offer.action_space, &id, kCallTimeout);
  if (!started.ok()) return absl::StrCat(what, " fails undisturbed: ", started.error_message());
  TestSession session(service, id);
  std::string difference;
  for (size_t i = 0; i < record.entries.size() && difference.empty(); ++i) {
    const Entry& entry = record.entries[i];
    const std::string why = Apply(entry, offer.state, &session);
    if (why.empty()) continue;
    difference = absl::StrCat(what, ": call ", i, " [", entry.parameter,
                              absl::StrJoin(entry.actions, ","), "] ", why);
  }
  if (difference.empty()) {
    std::string why;
    const size_t state = StepAndDigest(&session, {}, offer.observations, &why);
    if (!why.empty())
      difference = absl::StrCat(what, ": the final state ", why);
    else if (state != record.final_state)
      difference = absl::StrCat(what, ": the final state differs");
  }
  session.End();
  return difference.empty() ? "" : difference + FindChance(record, service);
}

}  // namespace holdfast::chaos
