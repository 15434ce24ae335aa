// All requests of the public service and of WorkerControl, as bytes, into a worker's code: several
// calls in a row on one host, which holds the example session. At the end the session is built
// again, as the front would after a crash, and must be the same.
#include <cstdlib>
#include <vector>

#include "proto/compiler_gym_service.pb.h"
#include "proto/worker_control.pb.h"
#include "tests/fuzz/fuzzing.h"
#include "worker/example/example_session.h"
#include "worker/session_host.h"

namespace holdfast {
namespace {

using compiler_gym::SessionParameter;
using compiler_gym::StartSessionRequest;
using compiler_gym::StepRequest;

class Worker {
 public:
  Worker() : host_(SessionTypeOf<ExampleSession>(), SessionContext()) {}

  static constexpr int kMethods = 10;
  void Call(int method, const std::string& bytes);
  // What the front would do after a crash, if it knew the session's state.
  void CheckReplay();

 private:
  template <typename Request>
  static bool Read(const std::string& bytes, Request* request) {
    return request->ParseFromString(bytes);
  }
  void Describe();
  void StartSession(const StartSessionRequest& request);
  void Step(const StepRequest& request);
  void HandleParameter(const SessionParameter& parameter);
  void EndSession(int64_t session_id);
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

// As worker/worker_server.cc binds methods to the host.
void Worker::Call(int method, const std::string& bytes) {
  switch (method) {
    case 0: {
      StartSessionRequest request;
      if (Read(bytes, &request)) StartSession(request);
      break;
    }
    case 1:
    case 2:
    case 3: {  // The most interesting of all.
      StepRequest request;
      if (Read(bytes, &request)) Step(request);
      break;
    }
    case 4: {
      compiler_gym::SendSessionParameterRequest request;
      if (!Read(bytes, &request) || !host_.CheckSession(request.session_id()).ok()) break;
      for (const SessionParameter& parameter : request.parameter()) HandleParameter(parameter);
      break;
    }
    case 5: {
      HandleParameterRequest request;
      if (Read(bytes, &request)) HandleParameter(request.parameter());
      break;
    }
    case 6: {
      compiler_gym::AddBenchmarkRequest request;
      if (Read(bytes, &request)) host_.AddBenchmarks(request);
      break;
    }
    case 7: {
      compiler_gym::EndSessionRequest request;
      if (Read(bytes, &request)) EndSession(request.session_id());
      break;
    }
    case 8: {
      FingerprintRequest request;
      if (Read(bytes, &request)) FingerprintOf(&host_);
      break;
    }
    default:
      Describe();
  }
}

void Worker::Describe() {
  DescribeReply reply;
  host_.Describe(&reply);
  Require(reply.spaces().action_space_list_size() == 2, "the description is always the same");
}

void Worker::StartSession(const StartSessionRequest& request) {
  const int sessions = host_.session_count();
  compiler_gym::StartSessionReply reply;
  WorkerAnswer answer;
  const absl::Status status = host_.StartSession(request, &reply, &answer);
  if (!status.ok()) {
    Require(host_.session_count() == sessions, "a failed start leaves nothing");
    return;
  }
  Require(sessions == 0, "a worker holds one session");
  Require(reply.session_id() == kOnlySessionId, "its id is known");
  Require(reply.observation_size() == request.observation_space_size(), "it observes");
  // Without a program it was started with one that was added: the front does not do that.
  is_recorded_ = request.benchmark().has_program();
  origin_ = request;
  history_.clear();
}

void Worker::Step(const StepRequest& request) {
  compiler_gym::StepReply reply;
  WorkerAnswer answer;
  const bool has_session = host_.CheckSession(request.session_id()).ok();
  const absl::Status status = host_.Step(request, &reply, &answer);
  Require(answer.actions_applied >= 0 && answer.actions_applied <= request.action_size(),
          "no more actions are applied than were asked for");
  if (!has_session) {
    Require(absl::IsNotFound(status) && answer.clean, "without a session there is no step");
    return;
  }
  if (status.ok()) {
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

void Worker::HandleParameter(const SessionParameter& parameter) {
  HandleParameterReply reply;
  WorkerAnswer answer;
  const absl::Status status = host_.HandleParameter(parameter, &reply, &answer);
  Require(host_.session_count() == 1 || absl::IsFailedPrecondition(status),
          "without a session there are no parameters");
  if (!status.ok() && !answer.clean) is_recorded_ = false;
  if (!status.ok() || !reply.changed_state()) return;
  Require(reply.known(), "what changes the state is known");
  Entry entry;
  entry.parameter = parameter;
  history_.push_back(entry);
}

void Worker::EndSession(int64_t session_id) {
  host_.EndSession(session_id);
  if (host_.session_count() == 0) is_recorded_ = false;
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

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  holdfast::SilenceProtobuf();
  FuzzedDataProvider input(data, size);
  holdfast::Worker worker;
  while (input.remaining_bytes() > 0) {
    const int method = input.ConsumeIntegralInRange(0, holdfast::Worker::kMethods - 1);
    worker.Call(method, holdfast::ConsumeString(&input));
  }
  worker.CheckReplay();
  return 0;
}
