#include "frontend/holdfastctl/replayer.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace holdfast {
namespace {

using Service = compiler_gym::CompilerGymService;

template <typename Request, typename Reply>
using Method = grpc::Status (Service::Stub::*)(grpc::ClientContext*, const Request&, Reply*);

template <typename Request, typename Reply>
grpc::Status CallService(Service::Stub* stub, absl::Duration timeout, Method<Request, Reply> method,
                         const Request& request, Reply* reply) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  return (stub->*method)(&context, request, reply);
}

absl::Status ToAbsl(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

// Whether the service itself could not do its work, so that nothing is learned of the session.
bool IsServiceError(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
}

}  // namespace

absl::optional<WorkerFailure> FailureOf(const grpc::Status& status) {
  StatusDetails details;
  if (!details.ParseFromString(status.error_details())) return absl::nullopt;
  for (const google::protobuf::Any& detail : details.details()) {
    WorkerFailure failure;
    if (detail.UnpackTo(&failure)) return failure;
  }
  return absl::nullopt;
}

// Ends with its scope.
class Replayer::Session {
 public:
  explicit Session(Replayer* replayer) : replayer_(replayer) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    if (id_ == 0) return;
    compiler_gym::EndSessionRequest request;
    request.set_session_id(id_);
    compiler_gym::EndSessionReply reply;
    Send(&Service::Stub::EndSession, request, &reply);
  }

  grpc::Status Start() {
    compiler_gym::StartSessionRequest request;
    request.mutable_benchmark()->set_uri(replayer_->uri_);
    request.set_action_space(replayer_->action_space_);
    *request.mutable_observation_space() = replayer_->start_observations_;
    compiler_gym::StartSessionReply reply;
    grpc::Status status = Send(&Service::Stub::StartSession, request, &reply);
    id_ = reply.session_id();
    return status;
  }

  grpc::Status Step(compiler_gym::StepRequest request, compiler_gym::StepReply* reply) {
    request.set_session_id(id_);
    return Send(&Service::Stub::Step, request, reply);
  }

  grpc::Status SendParameter(const compiler_gym::SessionParameter& parameter,
                             compiler_gym::SendSessionParameterReply* reply) {
    compiler_gym::SendSessionParameterRequest request;
    request.set_session_id(id_);
    *request.add_parameter() = parameter;
    return Send(&Service::Stub::SendSessionParameter, request, reply);
  }

  grpc::Status Make(const Call& call) {
    compiler_gym::StepReply step_reply;
    compiler_gym::SendSessionParameterReply parameter_reply;
    return call.has_step() ? Step(call.step(), &step_reply)
                           : SendParameter(call.parameter(), &parameter_reply);
  }

 private:
  template <typename Request, typename Reply>
  grpc::Status Send(Method<Request, Reply> method, const Request& request, Reply* reply) {
    return CallService(replayer_->stub_, replayer_->call_timeout_, method, request, reply);
  }

  Replayer* const replayer_;
  int64_t id_ = 0;
};

absl::Status Replayer::Load(const CrashReport& report) {
  grpc::Status status =
      CallService(stub_, call_timeout_, &Service::Stub::GetVersion, {}, &version_);
  if (status.ok())
    status = CallService(stub_, call_timeout_, &Service::Stub::GetSpaces, {}, &spaces_);
  if (!status.ok()) return ToAbsl(status);

  // By name: another version of the worker may have them in another order.
  action_space_ = -1;
  for (int i = 0; i < spaces_.action_space_list_size(); ++i) {
    if (spaces_.action_space_list(i).name() == report.action_space_name()) action_space_ = i;
  }
  if (action_space_ < 0) {
    return absl::InvalidArgumentError(absl::StrCat("the worker offers no action space named '",
                                                   Printable(report.action_space_name()),
                                                   "', which the report is about"));
  }
  uri_ = report.benchmark().uri();
  start_observations_ = report.start().observation_space();
  compiler_gym::AddBenchmarkRequest request;
  *request.add_benchmark() = report.benchmark();
  compiler_gym::AddBenchmarkReply reply;
  return ToAbsl(CallService(stub_, call_timeout_, &Service::Stub::AddBenchmark, request, &reply));
}

absl::StatusOr<ReplayOutcome> Replayer::Run(const std::vector<Call>& calls) {
  Session session(this);
  ReplayOutcome outcome;
  grpc::Status status = session.Start();
  int next = 0;
  while (status.ok() && next < static_cast<int>(calls.size())) {
    outcome.failed_call = next;
    status = session.Make(calls[static_cast<size_t>(next++)]);
  }
  if (status.ok()) return outcome;
  outcome.failure = FailureOf(status);
  if (outcome.failure.has_value()) {
    const Call* call =
        outcome.failed_call < 0 ? nullptr : &calls[static_cast<size_t>(outcome.failed_call)];
    outcome.identity = IdentityOf(*outcome.failure, call);
    return outcome;
  }
  if (IsServiceError(status)) return ToAbsl(status);
  outcome.refusal = status.error_message();
  return outcome;
}

absl::StatusOr<std::string> Replayer::AskParameter(const std::string& key,
                                                   const std::string& value) {
  Session session(this);
  grpc::Status status = session.Start();
  compiler_gym::SessionParameter parameter;
  parameter.set_key(key);
  parameter.set_value(value);
  compiler_gym::SendSessionParameterReply reply;
  if (status.ok()) status = session.SendParameter(parameter, &reply);
  if (!status.ok()) return ToAbsl(status);
  return reply.reply_size() == 1 ? reply.reply(0) : "";
}

absl::StatusOr<compiler_gym::Event> Replayer::Observe(int observation_space) {
  Session session(this);
  grpc::Status status = session.Start();
  compiler_gym::StepRequest request;
  request.add_observation_space(observation_space);
  compiler_gym::StepReply reply;
  if (status.ok()) status = session.Step(request, &reply);
  if (!status.ok()) return ToAbsl(status);
  return reply.observation_size() == 1 ? reply.observation(0) : compiler_gym::Event();
}

}  // namespace holdfast
