#include "tests/chaos/client.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace holdfast::chaos {
namespace {

using grpc::StatusCode;

constexpr size_t kMaxLiveSessions = 2;
constexpr int kMaxActionsOfAStep = 3;
// Above the service's own limits: it is the service that shall decide.
constexpr absl::Duration kCallTimeout = absl::Minutes(2);
// A call that fails so often in a row has not met the tormentor.
constexpr int kMaxTries = 60;
// Clients have something else to do, too: it is then that idle workers die.
constexpr int kMaxThinkMicros = 6000;
constexpr absl::Duration kPause = absl::Milliseconds(100);

std::string CodeName(StatusCode code) {
  return absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
}

}  // namespace

size_t Digest(const google::protobuf::Message& message) {
  // Maps, as in the observation LexedIr, have no order of their own.
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return std::hash<std::string>()(bytes);
}

Client::Client(const ServiceProcess& service, const Offer& offer, uint64_t seed)
    : offer_(offer), stub_(service.NewClient()), random_(seed) {}

void Client::Run(const absl::Notification& over) {
  while (!over.HasBeenNotified()) {
    Think();
    if (live_.empty() || (live_.size() < kMaxLiveSessions && OneIn(20))) {
      if (!StartSession()) absl::SleepFor(kPause);
      continue;
    }
    const size_t index = random_() % live_.size();
    if (live_.size() < kMaxLiveSessions && OneIn(25)) {
      ForkSession(SessionRecord(live_[index]));
      continue;
    }
    SessionRecord* session = &live_[index];
    const bool is_kept =
        !offer_.type->parameters.empty() && OneIn(10) ? SendParameter(session) : Step(session);
    if (is_kept && static_cast<int>(session->entries.size()) < offer_.type->max_steps) continue;
    SessionRecord ended = std::move(*session);
    live_.erase(live_.begin() + static_cast<ptrdiff_t>(index));
    if (is_kept) End(std::move(ended));
  }
}

void Client::Finish() {
  for (SessionRecord& session : std::exchange(live_, {})) End(std::move(session));
}

Client::Outcome Client::Judge(const std::string& method, const grpc::Status& status) {
  ++tally_
        .answers[absl::StrCat(offer_.type->name, " ", method, " ", CodeName(status.error_code()))];
  switch (status.error_code()) {
    case StatusCode::OK:
      return Outcome::kApplied;
    case StatusCode::ABORTED:
    case StatusCode::RESOURCE_EXHAUSTED:
      return Outcome::kRolledBack;
    case StatusCode::DEADLINE_EXCEEDED:  // The service's: ours is much later, and has no details.
      if (absl::StrContains(status.error_message(), "Deadline Exceeded")) break;
      return Outcome::kRolledBack;
    case StatusCode::UNAVAILABLE:
      // The tormentor kills workers that start, too, or again and again. The service says so, in
      // the words of a failure; a broken connection has others.
      if (!absl::StrContains(status.error_message(), "workers cannot be started") &&
          !absl::StrContains(status.error_message(), "the worker ")) {
        break;
      }
      absl::SleepFor(kPause);  // It is answered at once, until a start succeeds.
      return Outcome::kRolledBack;
    case StatusCode::INVALID_ARGUMENT:
      // The tormentor was there in Init, and in its retry; or the C compiler got no memory.
      if (method != "StartSession") break;
      return Outcome::kRolledBack;
    case StatusCode::INTERNAL:  // The session's own error: a pass failed, memory was not to be had.
      return Outcome::kPartial;
    case StatusCode::DATA_LOSS:
      ++tally_.sessions_lost;
      tally_.faults.push_back(absl::StrCat(method, ": ", status.error_message()));
      return Outcome::kLost;
    default:
      break;
  }
  tally_.faults.push_back(absl::StrCat(offer_.type->name, " ", method, ": ",
                                       CodeName(status.error_code()), " ", status.error_message()));
  return Outcome::kFault;
}

bool Client::StartSession() {
  SessionRecord session;
  session.offer = &offer_;
  session.program = static_cast<int>(random_() % offer_.programs.size());
  session.action_count = static_cast<int>(offer_.action_names.size());
  const grpc::Status status =
      holdfast::StartSession(stub_.get(), ProgramUri(*offer_.type, session.program),
                             offer_.action_space, &session.id, kCallTimeout);
  if (Judge("StartSession", status) != Outcome::kApplied) return false;
  live_.push_back(std::move(session));
  return true;
}

void Client::ForkSession(const SessionRecord& parent) {
  compiler_gym::ForkSessionRequest request;
  request.set_session_id(parent.id);
  compiler_gym::ForkSessionReply reply;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kCallTimeout));
  const grpc::Status status = stub_->ForkSession(&context, request, &reply);
  if (Judge("ForkSession", status) != Outcome::kApplied) return;
  SessionRecord child = parent;
  child.id = reply.session_id();
  live_.push_back(std::move(child));
}

Client::Outcome Client::CallStep(const SessionRecord& session, const std::vector<int64_t>& actions,
                                 const std::vector<int>& observations,
                                 compiler_gym::StepReply* reply) {
  compiler_gym::StepRequest request;
  request.set_session_id(session.id);
  for (const int64_t action : actions) request.add_action()->set_int64_value(action);
  for (const int observation : observations) request.add_observation_space(observation);
  grpc::ClientContext context;
  const absl::Time start = absl::Now();
  context.set_deadline(absl::ToChronoTime(start + kCallTimeout));
  const grpc::Status status = stub_->Step(&context, request, reply);
  if (status.ok()) tally_.step_latency.push_back(absl::Now() - start);
  return Judge("Step", status);
}

bool Client::Step(SessionRecord* session) {
  Entry entry;
  const int count = 1 + static_cast<int>(random_() % kMaxActionsOfAStep);
  for (int i = 0; i < count; ++i) {
    // The last action of the example leaves the action space: nothing may come behind it.
    const int choices = session->action_count - (i + 1 < count ? 1 : 0);
    entry.actions.push_back(static_cast<int64_t>(random_() % static_cast<uint64_t>(choices)));
  }
  if (OneIn(2)) {
    for (int i = 0; i < 2; ++i) {
      entry.observations.push_back(offer_.observations[random_() % offer_.observations.size()]);
    }
  }
  // Half of the clients insist on a step that was rolled back, for a while.
  for (int tries = OneIn(2) ? 3 : 1; tries > 0; --tries) {
    compiler_gym::StepReply reply;
    switch (CallStep(*session, entry.actions, entry.observations, &reply)) {
      case Outcome::kApplied:
        entry.reply = Digest(reply);
        session->entries.push_back(std::move(entry));
        if (reply.has_new_action_space()) {
          session->action_count = reply.new_action_space().space().named_discrete().name_size();
        }
        return true;
      case Outcome::kPartial:
        entry.is_partial = true;
        if (!Look(session, {offer_.state}, &entry.reply)) return false;
        session->entries.push_back(std::move(entry));
        return true;
      case Outcome::kRolledBack:
        break;
      case Outcome::kLost:
      case Outcome::kFault:
        return false;
    }
  }
  return true;
}

bool Client::SendParameter(SessionRecord* session) {
  const auto& parameters = offer_.type->parameters;
  Entry entry;
  entry.parameter = parameters[random_() % parameters.size()];
  const std::pair<std::string, std::string> parameter = absl::StrSplit(entry.parameter, '=');
  compiler_gym::SendSessionParameterRequest request;
  request.set_session_id(session->id);
  request.add_parameter()->set_key(parameter.first);
  request.mutable_parameter(0)->set_value(parameter.second);
  compiler_gym::SendSessionParameterReply reply;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kCallTimeout));
  switch (Judge("SendSessionParameter", stub_->SendSessionParameter(&context, request, &reply))) {
    case Outcome::kApplied:
      entry.reply = Digest(reply);
      session->entries.push_back(std::move(entry));
      return true;
    case Outcome::kRolledBack:
    case Outcome::kPartial:  // A single parameter that fails is not applied.
      return true;
    default:
      return false;
  }
}

bool Client::Look(SessionRecord* session, const std::vector<int>& observations, size_t* digest) {
  for (int i = 0; i < kMaxTries; ++i) {
    compiler_gym::StepReply reply;
    switch (CallStep(*session, {}, observations, &reply)) {
      case Outcome::kApplied:
        *digest = Digest(reply);
        return true;
      case Outcome::kRolledBack:
      case Outcome::kPartial:
        absl::SleepFor(kPause);
        break;
      default:
        return false;
    }
  }
  tally_.faults.push_back(absl::StrCat("session ", session->id, " (", offer_.type->name,
                                       ") cannot be observed in ", kMaxTries, " tries"));
  return false;
}

void Client::End(SessionRecord session) {
  session.has_final_state = Look(&session, offer_.observations, &session.final_state);
  compiler_gym::EndSessionRequest request;
  request.set_session_id(session.id);
  compiler_gym::EndSessionReply reply;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kCallTimeout));
  Judge("EndSession", stub_->EndSession(&context, request, &reply));
  if (session.has_final_state) records_.push_back(std::move(session));
}

void Client::Think() {
  absl::SleepFor(absl::Microseconds(static_cast<int64_t>(random_() % kMaxThinkMicros)));
}

}  // namespace holdfast::chaos
