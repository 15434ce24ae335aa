#include "worker/host_methods.h"

#include <sys/wait.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/byte_buffer.h"
#include "proto/compiler_gym_service.pb.h"
#include "proto/worker_control.pb.h"

namespace holdfast {
namespace {

using namespace compiler_gym;  // NOLINT(google-build-using-namespace): request and reply types.

// `call` fills the reply and the answer.
template <typename Request, typename Reply>
HostMethod Typed(absl::string_view name,
                 absl::Status (*call)(SessionHost*, const Request&, Reply*, WorkerAnswer*)) {
  return {name, [call](SessionHost* host, const grpc::ByteBuffer& bytes, grpc::ByteBuffer* reply,
                       WorkerAnswer* answer) {
            Request request;
            Reply typed_reply;
            answer->clean = true;
            absl::Status status = Parse(bytes, &request);
            if (status.ok()) status = call(host, request, &typed_reply, answer);
            if (status.ok()) *reply = Serialize(typed_reply);
            return status;
          }};
}

// Whether processes that the session has started still run. Reaps those that do not.
bool HasChildren() {
  pid_t child = 0;
  do {
    child = waitpid(-1, nullptr, WNOHANG);
  } while (child > 0);
  return child == 0;
}

absl::Status GetVersion(SessionHost* host, const GetVersionRequest&, GetVersionReply* reply,
                        WorkerAnswer*) {
  DescribeReply description;
  host->Describe(&description);
  *reply = description.version();
  return absl::OkStatus();
}

absl::Status GetSpaces(SessionHost* host, const GetSpacesRequest&, GetSpacesReply* reply,
                       WorkerAnswer*) {
  DescribeReply description;
  host->Describe(&description);
  *reply = description.spaces();
  return absl::OkStatus();
}

absl::Status StartSession(SessionHost* host, const StartSessionRequest& request,
                          StartSessionReply* reply, WorkerAnswer* answer) {
  return host->StartSession(request, reply, answer);
}

absl::Status ForkSession(SessionHost*, const ForkSessionRequest&, ForkSessionReply*,
                         WorkerAnswer*) {
  return absl::UnimplementedError("a worker holds one session only");
}

absl::Status EndSession(SessionHost* host, const EndSessionRequest& request, EndSessionReply* reply,
                        WorkerAnswer*) {
  host->EndSession(request.session_id());
  reply->set_remaining_sessions(host->session_count());
  // The front gives the process to another session only if this one is all gone.
  return HasChildren() ? absl::FailedPreconditionError("the session has left processes behind")
                       : absl::OkStatus();
}

absl::Status Step(SessionHost* host, const StepRequest& request, StepReply* reply,
                  WorkerAnswer* answer) {
  return host->Step(request, reply, answer);
}

absl::Status AddBenchmark(SessionHost* host, const AddBenchmarkRequest& request, AddBenchmarkReply*,
                          WorkerAnswer*) {
  host->AddBenchmarks(request);
  return absl::OkStatus();
}

absl::Status SendSessionParameter(SessionHost* host, const SendSessionParameterRequest& request,
                                  SendSessionParameterReply* reply, WorkerAnswer* answer) {
  absl::Status status = host->CheckSession(request.session_id());
  for (const SessionParameter& parameter : request.parameter()) {
    HandleParameterReply handled;
    if (status.ok()) status = host->HandleParameter(parameter, &handled, answer);
    if (status.ok() && !handled.known()) {
      status = absl::InvalidArgumentError(absl::StrCat("Unknown parameter: ", parameter.key()));
    }
    reply->add_reply(handled.reply());
  }
  return status;
}

absl::Status Describe(SessionHost* host, const DescribeRequest&, DescribeReply* reply,
                      WorkerAnswer*) {
  host->Describe(reply);
  return absl::OkStatus();
}

absl::Status HandleParameter(SessionHost* host, const HandleParameterRequest& request,
                             HandleParameterReply* reply, WorkerAnswer* answer) {
  return host->HandleParameter(request.parameter(), reply, answer);
}

absl::Status Fingerprint(SessionHost* host, const FingerprintRequest&, FingerprintReply* reply,
                         WorkerAnswer* answer) {
  return host->Fingerprint(reply, answer);
}

absl::Status Snapshot(SessionHost* host, const SnapshotRequest&, SnapshotReply* reply,
                      WorkerAnswer* answer) {
  return host->Snapshot(reply, answer);
}

absl::Status Restore(SessionHost* host, const RestoreRequest& request, RestoreReply* reply,
                     WorkerAnswer* answer) {
  return host->Restore(request, reply, answer);
}

absl::Status MakeBenchmark(SessionHost* host, const MakeBenchmarkRequest& request,
                           MakeBenchmarkReply* reply, WorkerAnswer* answer) {
  return host->MakeBenchmark(request, reply, answer);
}

}  // namespace

const std::vector<HostMethod>& HostMethods() {
  static const auto* const kMethods = new std::vector<HostMethod>{
      Typed("GetVersion", GetVersion),     Typed("GetSpaces", GetSpaces),
      Typed("StartSession", StartSession), Typed("ForkSession", ForkSession),
      Typed("EndSession", EndSession),     Typed("Step", Step),
      Typed("AddBenchmark", AddBenchmark), Typed("SendSessionParameter", SendSessionParameter),
      Typed("Describe", Describe),         Typed("HandleParameter", HandleParameter),
      Typed("Fingerprint", Fingerprint),   Typed("Snapshot", Snapshot),
      Typed("Restore", Restore),           Typed("MakeBenchmark", MakeBenchmark),
  };
  return *kMethods;
}

const HostMethod& FindHostMethod(absl::string_view name) {
  return *std::find_if(HostMethods().begin(), HostMethods().end(),
                       [name](const HostMethod& method) { return method.name == name; });
}

}  // namespace holdfast
