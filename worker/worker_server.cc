#include "worker/worker_server.h"

#include <fcntl.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <climits>
#include <iostream>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/byte_buffer.h"
#include "common/raw_service.h"
#include "common/status.h"
#include "common/unary_server.h"
#include "proto/compiler_gym_service.grpc.pb.h"
#include "proto/worker_control.grpc.pb.h"

namespace holdfast {
namespace {

using RawWorkerControl =
    WorkerControl::WithRawMethod_Describe<WorkerControl::WithRawMethod_HandleParameter<
        WorkerControl::WithRawMethod_Fingerprint<WorkerControl::Service>>>;

// Parses the request, lets `call` fill the reply and the answer, and sends both.
template <typename Request, typename Reply, typename Call>
std::function<void(std::shared_ptr<UnaryCall>)> Typed(Call call) {
  return [call](const std::shared_ptr<UnaryCall>& rpc) {
    Request request;
    Reply reply;
    WorkerAnswer answer;
    answer.clean = true;
    absl::Status status = Parse(rpc->request(), &request);
    if (status.ok()) status = call(request, &reply, &answer);
    answer.is_error = !status.ok();
    AddToTrailers(answer, &rpc->context());
    rpc->Finish(ToGrpcStatus(status), status.ok() ? Serialize(reply) : grpc::ByteBuffer());
  };
}

// The server of one worker: services, queue, and the table that binds methods to the host.
class WorkerServer {
 public:
  explicit WorkerServer(SessionHost* host) : host_(host) {
    builder_.RegisterService(&service_);
    builder_.RegisterService(&control_);
    builder_.SetMaxReceiveMessageSize(INT_MAX);  // The front bounds what it passes on.
    builder_.SetMaxSendMessageSize(INT_MAX);
    queue_ = builder_.AddCompletionQueue();
  }

  grpc::ServerBuilder& builder() { return builder_; }

  bool Start() {
    server_ = builder_.BuildAndStart();
    return server_ != nullptr;
  }
  grpc::Server& server() { return *server_; }

  void Run() {
    unary_.Serve(Methods());
    ServeQueue(queue_.get());
  }

 private:
  std::vector<UnaryServer::Method> Methods();
  template <typename Service, typename Request>
  UnaryServer::Method Bind(const char* name, Service* service, Request request,
                           std::function<void(std::shared_ptr<UnaryCall>)> handle) {
    return BindMethod<Service>(name, service, queue_.get(), request, std::move(handle));
  }

  SessionHost* const host_;
  RawCompilerGymService service_;
  RawWorkerControl control_;
  grpc::ServerBuilder builder_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  UnaryServer unary_;
};

std::vector<UnaryServer::Method> WorkerServer::Methods() {
  using namespace compiler_gym;  // NOLINT(google-build-using-namespace): request and reply types.
  using Raw = RawCompilerGymService;
  SessionHost* const host = host_;
  std::vector<UnaryServer::Method> methods;
  methods.push_back(Bind("GetVersion", &service_, &Raw::RequestGetVersion,
                         Typed<GetVersionRequest, GetVersionReply>(
                             [host](const auto&, GetVersionReply* reply, WorkerAnswer*) {
                               DescribeReply description;
                               host->Describe(&description);
                               *reply = description.version();
                               return absl::OkStatus();
                             })));
  methods.push_back(Bind("GetSpaces", &service_, &Raw::RequestGetSpaces,
                         Typed<GetSpacesRequest, GetSpacesReply>(
                             [host](const auto&, GetSpacesReply* reply, WorkerAnswer*) {
                               DescribeReply description;
                               host->Describe(&description);
                               *reply = description.spaces();
                               return absl::OkStatus();
                             })));
  methods.push_back(Bind(
      "StartSession", &service_, &Raw::RequestStartSession,
      Typed<StartSessionRequest, StartSessionReply>(
          [host](const StartSessionRequest& request, StartSessionReply* reply,
                 WorkerAnswer* answer) { return host->StartSession(request, reply, answer); })));
  methods.push_back(Bind("ForkSession", &service_, &Raw::RequestForkSession,
                         Typed<ForkSessionRequest, ForkSessionReply>(
                             [](const auto&, ForkSessionReply*, WorkerAnswer*) {
                               return absl::UnimplementedError("a worker holds one session only");
                             })));
  methods.push_back(
      Bind("EndSession", &service_, &Raw::RequestEndSession,
           Typed<EndSessionRequest, EndSessionReply>(
               [host](const EndSessionRequest& request, EndSessionReply* reply, WorkerAnswer*) {
                 host->EndSession(request.session_id());
                 reply->set_remaining_sessions(host->session_count());
                 return absl::OkStatus();
               })));
  methods.push_back(
      Bind("Step", &service_, &Raw::RequestStep,
           Typed<StepRequest, StepReply>(
               [host](const StepRequest& request, StepReply* reply, WorkerAnswer* answer) {
                 return host->Step(request, reply, answer);
               })));
  methods.push_back(
      Bind("AddBenchmark", &service_, &Raw::RequestAddBenchmark,
           Typed<AddBenchmarkRequest, AddBenchmarkReply>(
               [host](const AddBenchmarkRequest& request, AddBenchmarkReply*, WorkerAnswer*) {
                 host->AddBenchmarks(request);
                 return absl::OkStatus();
               })));
  methods.push_back(Bind("SendSessionParameter", &service_, &Raw::RequestSendSessionParameter,
                         Typed<SendSessionParameterRequest, SendSessionParameterReply>(
                             [host](const SendSessionParameterRequest& request,
                                    SendSessionParameterReply* reply, WorkerAnswer* answer) {
                               absl::Status status = host->CheckSession(request.session_id());
                               for (const SessionParameter& parameter : request.parameter()) {
                                 HandleParameterReply handled;
                                 if (status.ok())
                                   status = host->HandleParameter(parameter, &handled, answer);
                                 if (status.ok() && !handled.known()) {
                                   status = absl::InvalidArgumentError(
                                       absl::StrCat("Unknown parameter: ", parameter.key()));
                                 }
                                 reply->add_reply(handled.reply());
                               }
                               return status;
                             })));
  methods.push_back(Bind("Describe", &control_, &RawWorkerControl::RequestDescribe,
                         Typed<DescribeRequest, DescribeReply>(
                             [host](const auto&, DescribeReply* reply, WorkerAnswer*) {
                               host->Describe(reply);
                               return absl::OkStatus();
                             })));
  methods.push_back(Bind("HandleParameter", &control_, &RawWorkerControl::RequestHandleParameter,
                         Typed<HandleParameterRequest, HandleParameterReply>(
                             [host](const HandleParameterRequest& request,
                                    HandleParameterReply* reply, WorkerAnswer* answer) {
                               return host->HandleParameter(request.parameter(), reply, answer);
                             })));
  methods.push_back(Bind("Fingerprint", &control_, &RawWorkerControl::RequestFingerprint,
                         Typed<FingerprintRequest, FingerprintReply>(
                             [host](const auto&, FingerprintReply* reply, WorkerAnswer* answer) {
                               return host->Fingerprint(reply, answer);
                             })));
  return methods;
}

// Ends the process group when the other end of `fd` is gone. gRPC would let the server live on.
void EndWithPeer(UniqueFd fd) {
  pollfd watched{fd.get(), /*events=*/0, /*revents=*/0};  // POLLHUP and POLLERR always count.
  while (poll(&watched, 1, /*timeout=*/-1) <= 0) {
  }
  kill(0, SIGKILL);
}

}  // namespace

absl::Status ServeLink(SessionHost* host, UniqueFd link) {
  // Compilers that the session starts must not hold the link: its end is how the front sees ours.
  if (fcntl(link.get(), F_SETFD, FD_CLOEXEC) != 0 || fcntl(link.get(), F_SETFL, O_NONBLOCK) != 0) {
    return absl::InvalidArgumentError("fd 3 is no link to a front: start workers through a front");
  }
  UniqueFd watched(fcntl(link.get(), F_DUPFD_CLOEXEC, 0));
  WorkerServer server(host);
  if (!watched || !server.Start()) return absl::InternalError("cannot start the worker's server");
  std::thread(EndWithPeer, std::move(watched)).detach();
  grpc::AddInsecureChannelFromFd(&server.server(), link.release());
  server.Run();
  return absl::InternalError("the worker's queue ended");
}

absl::Status ServeAddress(SessionHost* host, const std::string& address) {
  WorkerServer server(host);
  int port = 0;
  server.builder().AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  if (!server.Start() || port == 0) {
    return absl::InvalidArgumentError(absl::StrCat("cannot listen on ", address));
  }
  std::cout << "Serving one session on port " << port << std::endl;
  server.Run();
  return absl::InternalError("the worker's queue ended");
}

}  // namespace holdfast
