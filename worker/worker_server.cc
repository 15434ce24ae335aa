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

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/link_arguments.h"
#include "common/raw_service.h"
#include "common/server_plugins.h"
#include "common/status.h"
#include "common/unary_server.h"
#include "proto/compiler_gym_service.grpc.pb.h"
#include "proto/worker_control.grpc.pb.h"
#include "worker/host_methods.h"
#include "worker/step_lane_server.h"

namespace holdfast {
namespace {

using RawWorkerControl =
    WorkerControl::WithRawMethod_Describe<WorkerControl::WithRawMethod_HandleParameter<
        WorkerControl::WithRawMethod_Fingerprint<WorkerControl::WithRawMethod_Snapshot<
            WorkerControl::WithRawMethod_Restore<WorkerControl::WithRawMethod_MakeBenchmark<
                WorkerControl::WithRawMethod_StepLane<WorkerControl::Service>>>>>>>;

// The server of one worker: services, queue, and what binds them to the host.
class WorkerServer {
 public:
  explicit WorkerServer(SessionHost* host) : host_(host) {
    builder_.RegisterService(&service_);
    builder_.RegisterService(&control_);
    builder_.SetMaxReceiveMessageSize(INT_MAX);  // The front bounds what it passes on.
    builder_.SetMaxSendMessageSize(INT_MAX);
    builder_.SetOption(absl::make_unique<OnlyPlugins>(std::vector<std::string>()));
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
    lanes_.Serve(server_.get(), queue_.get());
    ServeQueue(queue_.get());
  }

 private:
  std::vector<UnaryServer::Method> Methods();
  // The method of that name in HostMethods().
  template <typename Service, typename Request>
  UnaryServer::Method Bind(const char* name, Service* service, Request request);

  SessionHost* const host_;
  const HostMethod& step_ = FindHostMethod("Step");
  RawCompilerGymService service_;
  RawWorkerControl control_;
  grpc::ServerBuilder builder_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  UnaryServer unary_;
  StepLaneServer lanes_{
      [this](grpc::ServerContext* context, StepLaneServer::Stream* stream, void* tag) {
        control_.RequestStepLane(context, stream, queue_.get(), queue_.get(), tag);
      },
      [this](const grpc::ByteBuffer& request) {
        StepLaneReplyView view;
        view.status = ToGrpcStatus(step_.call(host_, request, &view.reply, &view.answer));
        return view;
      }};
};

template <typename Service, typename Request>
UnaryServer::Method WorkerServer::Bind(const char* name, Service* service, Request request) {
  const HostMethod& method = FindHostMethod(name);
  return BindMethod<Service>(name, service, queue_.get(), request,
                             [host = host_, &method](const std::shared_ptr<UnaryCall>& rpc) {
                               grpc::ByteBuffer reply;
                               WorkerAnswer answer;
                               const absl::Status status =
                                   method.call(host, rpc->request(), &reply, &answer);
                               answer.is_error = !status.ok();
                               AddToTrailers(answer, &rpc->context());
                               rpc->Finish(ToGrpcStatus(status), reply);
                             });
}

std::vector<UnaryServer::Method> WorkerServer::Methods() {
  using Raw = RawCompilerGymService;
  using RawControl = RawWorkerControl;
  return {
      Bind("GetVersion", &service_, &Raw::RequestGetVersion),
      Bind("GetSpaces", &service_, &Raw::RequestGetSpaces),
      Bind("StartSession", &service_, &Raw::RequestStartSession),
      Bind("ForkSession", &service_, &Raw::RequestForkSession),
      Bind("EndSession", &service_, &Raw::RequestEndSession),
      Bind("Step", &service_, &Raw::RequestStep),
      Bind("AddBenchmark", &service_, &Raw::RequestAddBenchmark),
      Bind("SendSessionParameter", &service_, &Raw::RequestSendSessionParameter),
      Bind("Describe", &control_, &RawControl::RequestDescribe),
      Bind("HandleParameter", &control_, &RawControl::RequestHandleParameter),
      Bind("Fingerprint", &control_, &RawControl::RequestFingerprint),
      Bind("Snapshot", &control_, &RawControl::RequestSnapshot),
      Bind("Restore", &control_, &RawControl::RequestRestore),
      Bind("MakeBenchmark", &control_, &RawControl::RequestMakeBenchmark),
  };
}

// Ends the process group when the other end of `fd` is gone. gRPC would let the server live on.
void EndWithPeer(UniqueFd fd) {
  // POLLERR and POLLHUP always count; an orderly end of a TCP link is neither.
  pollfd watched{fd.get(), POLLRDHUP, /*revents=*/0};
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
  // No filters for what the front sees to: deadlines, sizes, compression, statistics.
  server.builder().AddChannelArgument(GRPC_ARG_MINIMAL_STACK, 1);
  server.builder().AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  for (const auto& [name, value] : kLinkArguments) server.builder().AddChannelArgument(name, value);
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
