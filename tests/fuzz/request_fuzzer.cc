// All requests of the public service and of WorkerControl, as bytes, into a worker's code: several
// calls in a row on one host, which holds the example session. At the end the session is built
// again, as the front would after a crash, and must be the same.
#include <cstdlib>
#include <vector>

#include "common/byte_buffer.h"
#include "proto/compiler_gym_service.pb.h"
#include "proto/worker_control.pb.h"
#include "tests/fuzz/fuzzing.h"
#include "worker/example/example_session.h"
#include "worker/host_methods.h"
#include "worker/session_host.h"

namespace holdfast {
namespace {

using compiler_gym::SessionParameter;
using compiler_gym::StartSessionRequest;
using compiler_gym::StepRequest;

class Worker {
 public:
  Worker() : host_(SessionTypeOf<ExampleSession>(), SessionContext()) {}

  // A method of HostMethods(), by its index.
  void Call(size_t method, const std::string& bytes);
  // What the front would do after a crash, if it knew the session's state.
  void CheckReplay();

 private:
  // What came of a call, and what the front would remember of it.
  struct Outcome {
    absl::Status status;
    grpc::ByteBuffer reply;
    WorkerAnswer answer;
    bool had_session;
  };
  void OnStarted(const StartSessionRequest& request, const Outcome& outcome);
  void OnStepped(const StepRequest& request, bool is_its_session, const Outcome& outcome);
  void OnParameter(const SessionParameter& parameter, const Outcome& outcome);
  void OnRestored(const Outcome& outcome);
  // A snapshot, if there is a session to take it of, makes the same session.
  void OnSnapshot(const Outcome& outcome);
  static std::string FingerprintOf(SessionHost* host);

  SessionHost host_;
  // What the front keeps of a session.
  bool is_recorded_ = false;  // There is one, and its state is known.
  StartSessionRequest origin_;
  struct Entry {
    StepRequest step;
    absl::optional<SessionParameter> parameter;
  };
  std::vector<Entry> history_;
};

template <typename Message>
Message Read(const grpc::ByteBuffer& bytes) {
  Message message;
  Require(Parse(bytes, &message).ok(), "what was answered can be parsed");
  return message;
}

void Worker::Call(size_t method, const std::string& bytes) {
  const absl::string_view name = HostMethods()[method].name;
  StepRequest step;
  const bool is_step = name == "Step" && step.ParseFromString(bytes);
  const bool is_its_session = is_step && host_.CheckSession(step.session_id()).ok();
  Outcome outcome;
  outcome.had_session = host_.session_count() == 1;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  outcome.status = HostMethods()[method].call(&host_, request, &outcome.reply, &outcome.answer);
  if (!outcome.status.ok()) Require(outcome.reply.Length() == 0, "an error has no reply");

  StartSessionRequest start;
  HandleParameterRequest parameter;
  if (is_step) OnStepped(step, is_its_session, outcome);
  if (name == "StartSession" && start.ParseFromString(bytes)) OnStarted(start, outcome);
  if (name == "Restore") OnRestored(outcome);
  if (name == "Snapshot") OnSnapshot(outcome);
  if (name == "HandleParameter" && parameter.ParseFromString(bytes)) {
    OnParameter(parameter.parameter(), outcome);
  }
  // It does not say what changed the state: the front does not use it.
  if (name == "SendSessionParameter") is_recorded_ = false;
  if (name == "Describe" && outcome.status.ok()) {
    Require(Read<DescribeReply>(outcome.reply).spaces().action_space_list_size() == 2,
            "the description is always the same");
  }
  if (host_.session_count() == 0) is_recorded_ = false;
}

void Worker::OnStarted(const StartSessionRequest& request, const Outcome& outcome) {
  if (!outcome.status.ok()) {
    Require((host_.session_count() == 1) == outcome.had_session, "a failed start leaves nothing");
    return;
  }
  const auto reply = Read<compiler_gym::StartSessionReply>(outcome.reply);
  Require(!outcome.had_session, "a worker holds one session");
  Require(reply.session_id() == kOnlySessionId, "its id is known");
  Require(reply.observation_size() == request.observation_space_size(), "it observes");
  // Without a program it was started with one that was added: the front does not do that.
  is_recorded_ = request.benchmark().has_program();
  origin_ = request;
  history_.clear();
}

void Worker::OnStepped(const StepRequest& request, bool is_its_session, const Outcome& outcome) {
  const WorkerAnswer& answer = outcome.answer;
  Require(answer.actions_applied >= 0 && answer.actions_applied <= request.action_size(),
          "no more actions are applied than were asked for");
  if (!is_its_session) {
    Require(absl::IsNotFound(outcome.status) && answer.clean, "without a session there is no step");
    return;
  }
  if (outcome.status.ok()) {
    const auto reply = Read<compiler_gym::StepReply>(outcome.reply);
    Require(answer.clean, "a success is clean");
    Require(reply.observation_size() == request.observation_space_size(), "it observes");
    Require(answer.actions_applied == request.action_size() || reply.end_of_session(),
            "all actions are applied, but those after the end");
  }
  if (!answer.clean) is_recorded_ = false;
  if (answer.actions_applied == 0) return;
  Entry entry;
  for (int i = 0; i < answer.actions_applied; ++i) *entry.step.add_action() = request.action(i);
  history_.push_back(entry);
}

void Worker::OnParameter(const SessionParameter& parameter, const Outcome& outcome) {
  Require(outcome.had_session || absl::IsFailedPrecondition(outcome.status),
          "without a session there are no parameters");
  if (!outcome.status.ok()) {
    if (!outcome.answer.clean) is_recorded_ = false;
    return;
  }
  const auto reply = Read<HandleParameterReply>(outcome.reply);
  if (!reply.changed_state()) return;
  Require(reply.known(), "what changes the state is known");
  Entry entry;
  entry.parameter = parameter;
  history_.push_back(entry);
}

void Worker::OnRestored(const Outcome& outcome) {
  if (!outcome.status.ok()) {
    Require((host_.session_count() == 1) == outcome.had_session, "a failed restore leaves nothing");
    return;
  }
  Require(!outcome.had_session, "a worker holds one session");
  is_recorded_ = false;
}

void Worker::OnSnapshot(const Outcome& outcome) {
  if (!outcome.had_session) Require(!outcome.status.ok(), "without a session there is none");
  if (!is_recorded_ || !outcome.status.ok()) return;
  const auto taken = Read<SnapshotReply>(outcome.reply);
  SessionHost other(SessionTypeOf<ExampleSession>(), SessionContext());
  RestoreRequest request;
  *request.mutable_benchmark() = origin_.benchmark();
  request.set_action_space(origin_.action_space());
  *request.mutable_snapshot() = taken.snapshot();
  RestoreReply restored;
  WorkerAnswer answer;
  Require(other.Restore(request, &restored, &answer).ok(), "a snapshot is read");
  Require(FingerprintOf(&other) == FingerprintOf(&host_), "it is the same session");
  SnapshotReply again;
  Require(other.Snapshot(&again, &answer).ok() &&
              again.SerializeAsString() == taken.SerializeAsString(),
          "and gives the same snapshot");
}

std::string Worker::FingerprintOf(SessionHost* host) {
  FingerprintReply reply;
  WorkerAnswer answer;
  const absl::Status status = host->Fingerprint(&reply, &answer);
  Require(status.ok() == (host->session_count() == 1), "a session has a fingerprint");
  Require(reply.fingerprint().size() <= kMaxFingerprintBytes, "a fingerprint is short");
  return reply.fingerprint();
}

void Worker::CheckReplay() {
  if (!is_recorded_) return;
  SessionHost other(SessionTypeOf<ExampleSession>(), SessionContext());
  origin_.clear_observation_space();
  compiler_gym::StartSessionReply started;
  WorkerAnswer answer;
  Require(other.StartSession(origin_, &started, &answer).ok(), "the session starts again");
  for (Entry& entry : history_) {
    answer = WorkerAnswer();
    if (entry.parameter.has_value()) {
      HandleParameterReply reply;
      Require(other.HandleParameter(*entry.parameter, &reply, &answer).ok() && reply.known(),
              "a parameter is handled again");
      continue;
    }
    entry.step.set_session_id(started.session_id());
    compiler_gym::StepReply reply;
    Require(other.Step(entry.step, &reply, &answer).ok() &&
                answer.actions_applied == entry.step.action_size(),
            "actions are applied again");
  }
  Require(FingerprintOf(&other) == FingerprintOf(&host_), "the session is the same again");
}

size_t ConsumeMethod(FuzzedDataProvider* input) {
  return input->ConsumeIntegralInRange<size_t>(0, HostMethods().size() - 1);
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  holdfast::SilenceProtobuf();
  FuzzedDataProvider input(data, size);
  holdfast::Worker worker;
  while (input.remaining_bytes() > 0) {
    worker.Call(holdfast::ConsumeMethod(&input), holdfast::ConsumeString(&input));
  }
  worker.CheckReplay();
  return 0;
}
