#include "worker/llvm/demo/service_client.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace holdfast::demo {
namespace {

using compiler_gym::CompilerGymService;

constexpr char kCost[] = "IrInstructionCount";
constexpr auto kConnectTimeout = std::chrono::seconds(10);
// Above the service's own limits: it is the service that shall decide.
constexpr auto kCallTimeout = std::chrono::minutes(10);

absl::Status ToAbsl(const char* method, const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      absl::StrCat(method, ": ", status.error_message()));
}

template <typename Request, typename Reply>
using Method = grpc::Status (CompilerGymService::Stub::*)(grpc::ClientContext*, const Request&,
                                                          Reply*);

template <typename Request, typename Reply>
grpc::Status Call(CompilerGymService::Stub& stub, Method<Request, Reply> method,
                  const Request& request, Reply& reply) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  return (stub.*method)(&context, request, &reply);
}

absl::StatusOr<int> IndexOf(const std::map<std::string, int>& names, const std::string& name) {
  const auto found = names.find(name);
  if (found == names.end()) {
    return absl::NotFoundError(absl::StrCat("the service has no space named ", name));
  }
  return found->second;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServiceClient>> ServiceClient::Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt("grpc.enable_http_proxy", 0);
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + kConnectTimeout)) {
    return absl::UnavailableError(absl::StrCat("nobody answers at ", address));
  }
  std::unique_ptr<ServiceClient> client(new ServiceClient(CompilerGymService::NewStub(channel)));
  if (absl::Status status = client->Describe(); !status.ok()) return status;
  return client;
}

absl::Status ServiceClient::Describe() {
  compiler_gym::GetVersionReply version;
  grpc::Status status = Call(*stub_, &CompilerGymService::Stub::GetVersion,
                             compiler_gym::GetVersionRequest(), version);
  if (!status.ok()) return ToAbsl("GetVersion", status);
  compiler_version_ = version.compiler_version();
  status =
      Call(*stub_, &CompilerGymService::Stub::GetSpaces, compiler_gym::GetSpacesRequest(), spaces_);
  for (int i = 0; i < spaces_.action_space_list_size(); ++i) {
    action_spaces_[spaces_.action_space_list(i).name()] = i;
  }
  for (int i = 0; i < spaces_.observation_space_list_size(); ++i) {
    observations_[spaces_.observation_space_list(i).name()] = i;
  }
  return ToAbsl("GetSpaces", status);
}

absl::StatusOr<std::vector<std::string>> ServiceClient::ActionNames(
    const std::string& space) const {
  const absl::StatusOr<int> index = IndexOf(action_spaces_, space);
  if (!index.ok()) return index.status();
  const auto& names = spaces_.action_space_list(*index).space().named_discrete().name();
  return std::vector<std::string>(names.begin(), names.end());
}

absl::Status ServiceClient::SetBenchmark(const std::string& uri, const std::string& action_space) {
  const absl::StatusOr<int> index = IndexOf(action_spaces_, action_space);
  if (!index.ok()) return index.status();
  action_space_ = *index;
  uri_ = uri;
  return absl::OkStatus();
}

absl::Status ServiceClient::SetProgram(const std::string& uri, const std::string& contents,
                                       const std::string& action_space) {
  if (absl::Status status = SetBenchmark(uri, action_space); !status.ok()) return status;
  compiler_gym::AddBenchmarkRequest request;
  compiler_gym::AddBenchmarkReply reply;
  compiler_gym::Benchmark& benchmark = *request.add_benchmark();
  benchmark.set_uri(uri);
  benchmark.mutable_program()->set_contents(contents);
  return ToAbsl("AddBenchmark",
                Call(*stub_, &CompilerGymService::Stub::AddBenchmark, request, reply));
}

absl::Status ServiceClient::StartSession(const std::string& observation, int64_t& value) {
  const absl::StatusOr<int> index = IndexOf(observations_, observation);
  if (!index.ok()) return index.status();
  compiler_gym::StartSessionRequest request;
  compiler_gym::StartSessionReply reply;
  request.mutable_benchmark()->set_uri(uri_);
  request.set_action_space(action_space_);
  request.add_observation_space(*index);
  const grpc::Status status = Call(*stub_, &CompilerGymService::Stub::StartSession, request, reply);
  if (!status.ok()) return ToAbsl("StartSession", status);
  session_ = reply.session_id();
  if (reply.observation_size() != 1) return absl::InternalError("StartSession: no observation");
  value = reply.observation(0).int64_value();
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ServiceClient::Measure(const std::string& observation) {
  int64_t value = 0;
  if (absl::Status status = StartSession(observation, value); !status.ok()) return status;
  if (absl::Status status = End(); !status.ok()) return status;
  return value;
}

absl::StatusOr<int64_t> ServiceClient::Start() {
  int64_t cost = 0;
  if (absl::Status status = StartSession(kCost, cost); !status.ok()) return status;
  return cost;
}

absl::StatusOr<StepOutcome> ServiceClient::Step(int action) {
  compiler_gym::StepRequest request;
  compiler_gym::StepReply reply;
  request.set_session_id(session_);
  request.add_action()->set_int64_value(action);
  request.add_observation_space(observations_.at(kCost));
  const grpc::Status status = Call(*stub_, &CompilerGymService::Stub::Step, request, reply);
  StepOutcome outcome;
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      if (reply.observation_size() != 1) return absl::InternalError("Step: no observation");
      outcome.cost = reply.observation(0).int64_value();
      outcome.had_no_effect = reply.action_had_no_effect();
      return outcome;
    case grpc::StatusCode::ABORTED:
      outcome.kind = StepOutcome::Kind::kCrashed;
      return outcome;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      outcome.kind = StepOutcome::Kind::kTimedOut;
      return outcome;
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      outcome.kind = StepOutcome::Kind::kRefused;
      return outcome;
    default:
      return ToAbsl("Step", status);
  }
}

absl::Status ServiceClient::End() {
  compiler_gym::EndSessionRequest request;
  compiler_gym::EndSessionReply reply;
  request.set_session_id(session_);
  return ToAbsl("EndSession", Call(*stub_, &CompilerGymService::Stub::EndSession, request, reply));
}

}  // namespace holdfast::demo
