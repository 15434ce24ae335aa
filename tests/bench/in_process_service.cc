// What isolation is measured against: the sessions of the example worker in the process of the
// service, as a synchronous gRPC service. Whatever a compiler does to the process, it does to all.
//
// Says on stdout where it serves. As small as it can be: sessions bring their programs along, and
// the calls of one session must not overlap.
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/deadlock_detection.h"
#include "common/status.h"
#include "proto/compiler_gym_service.grpc.pb.h"
#include "worker/example/example_session.h"
#include "worker/session_host.h"

namespace holdfast {
namespace {

using namespace compiler_gym;  // NOLINT(google-build-using-namespace): request and reply types.
using grpc::ServerContext;

struct HostedSession {
  explicit HostedSession(int action_space)
      : host(SessionTypeOf<ExampleSession>(), SessionContext()), action_space(action_space) {}

  SessionHost host;
  const int action_space;
};

class InProcessService final : public CompilerGymService::Service {
 public:
  grpc::Status GetSpaces(ServerContext*, const GetSpacesRequest*, GetSpacesReply* reply) override {
    DescribeReply description;
    describer_.host.Describe(&description);
    *reply = std::move(*description.mutable_spaces());
    return grpc::Status::OK;
  }

  grpc::Status StartSession(ServerContext*, const StartSessionRequest* request,
                            StartSessionReply* reply) override {
    const auto session = std::make_shared<HostedSession>(request->action_space());
    WorkerAnswer answer;
    const absl::Status status = session->host.StartSession(*request, reply, &answer);
    if (status.ok()) reply->set_session_id(Add(session));
    return ToGrpcStatus(status);
  }

  grpc::Status ForkSession(ServerContext*, const ForkSessionRequest* request,
                           ForkSessionReply* reply) override {
    const auto session = Find(request->session_id());
    if (session == nullptr) return NotFound();
    WorkerAnswer answer;
    SnapshotReply snapshot;
    absl::Status status = session->host.Snapshot(&snapshot, &answer);
    if (!status.ok()) return ToGrpcStatus(status);
    RestoreRequest restore;
    restore.mutable_benchmark()->mutable_program();  // All of it is in the snapshot.
    restore.set_action_space(session->action_space);
    *restore.mutable_snapshot() = std::move(*snapshot.mutable_snapshot());
    const auto fork = std::make_shared<HostedSession>(session->action_space);
    RestoreReply restored;
    status = fork->host.Restore(restore, &restored, &answer);
    if (status.ok()) reply->set_session_id(Add(fork));
    return ToGrpcStatus(status);
  }

  grpc::Status EndSession(ServerContext*, const EndSessionRequest* request,
                          EndSessionReply* reply) override {
    const absl::MutexLock lock(&mutex_);
    sessions_.erase(request->session_id());
    reply->set_remaining_sessions(static_cast<int>(sessions_.size()));
    return grpc::Status::OK;
  }

  grpc::Status Step(ServerContext*, const StepRequest* request, StepReply* reply) override {
    const auto session = Find(request->session_id());
    if (session == nullptr) return NotFound();
    StepRequest step = *request;
    step.set_session_id(kOnlySessionId);
    WorkerAnswer answer;
    return ToGrpcStatus(session->host.Step(step, reply, &answer));
  }

  grpc::Status AddBenchmark(ServerContext*, const AddBenchmarkRequest* request,
                            AddBenchmarkReply*) override {
    const absl::MutexLock lock(&mutex_);
    for (const Benchmark& benchmark : request->benchmark()) {
      benchmarks_[benchmark.uri()] = benchmark;
    }
    return grpc::Status::OK;
  }

 private:
  static grpc::Status NotFound() { return {grpc::StatusCode::NOT_FOUND, "Session not found"}; }

  int64_t Add(std::shared_ptr<HostedSession> session) {
    const absl::MutexLock lock(&mutex_);
    sessions_[++last_id_] = std::move(session);
    return last_id_;
  }

  std::shared_ptr<HostedSession> Find(int64_t id) {
    const absl::MutexLock lock(&mutex_);
    const auto found = sessions_.find(id);
    return found == sessions_.end() ? nullptr : found->second;
  }

  const HostedSession describer_{0};
  absl::Mutex mutex_;
  std::map<int64_t, std::shared_ptr<HostedSession>> sessions_ ABSL_GUARDED_BY(mutex_);
  int64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Benchmark> benchmarks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace
}  // namespace holdfast

int main() {
  holdfast::SpareDeadlockDetection();  // As the worker.
  holdfast::InProcessService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(-1);
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::cout << "The service serves on 127.0.0.1:" << port << ", all sessions in this process"
            << std::endl;
  server->Wait();
}
