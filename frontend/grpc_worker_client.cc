#include "frontend/grpc_worker_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <climits>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "common/completion_tag.h"
#include "common/link_arguments.h"

namespace holdfast {
namespace {

const std::string& MethodPath(WorkerMethod method) {
  static const auto* const paths = new std::string[]{
      "/holdfast.WorkerControl/Describe",
      "/compiler_gym.CompilerGymService/StartSession",
      "/compiler_gym.CompilerGymService/Step",
      "/holdfast.WorkerControl/HandleParameter",
      "/holdfast.WorkerControl/Fingerprint",
      "/holdfast.WorkerControl/Snapshot",
      "/holdfast.WorkerControl/Restore",
      "/holdfast.WorkerControl/MakeBenchmark",
      "/compiler_gym.CompilerGymService/EndSession",
  };
  return paths[static_cast<int>(method)];
}

// More than what comes with the reply on a step lane.
constexpr int64_t kMaxEnvelopeBytes = 64 << 10;

std::shared_ptr<grpc::Channel> MakeChannel(UniqueFd link, int64_t max_message_bytes) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // 13 to 17 % of a call, and we must never re-send.
  for (const auto& [name, value] : kLinkArguments) arguments.SetInt(name, value);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetServiceConfigJSON("{}");
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetMaxReceiveMessageSize(
      static_cast<int>(std::min<int64_t>(max_message_bytes + kMaxEnvelopeBytes, INT_MAX)));
  arguments.SetMaxSendMessageSize(-1);  // What we send, we have accepted.
  return grpc::CreateCustomInsecureChannelFromFd("worker", link.release(), arguments);
}

}  // namespace

struct GrpcWorkerClient::PendingCall final : CompletionTag {
  PendingCall(int64_t max_reply_bytes, CallGate* gate, std::shared_ptr<CallCounter> counter,
              Done done)
      : max_reply_bytes(max_reply_bytes),
        gate(gate),
        counter(std::move(counter)),
        done(std::move(done)) {
    this->counter->Begun();
  }

  void Proceed(bool /*ok*/) override {  // Always true for Finish().
    counter->Ended();
    reply.answer = FromTrailers(context);
    if (static_cast<int64_t>(reply.message.Length()) > max_reply_bytes) {
      reply.status = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the reply is too large");
    }
    // The session answered well, and gRPC made an error of it, as of a reply that is too large.
    if (!reply.status.ok() && reply.answer.has_value() && !reply.answer->is_error) {
      reply.answer.reset();
    }
    done(std::move(reply));
    CallGate* const left = gate;
    delete this;
    left->Leave();
  }

  const int64_t max_reply_bytes;
  CallGate* const gate;
  const std::shared_ptr<CallCounter> counter;  // The client may be gone by then.
  Done done;
  grpc::ClientContext context;
  WorkerReply reply;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader;
};

GrpcWorkerClient::GrpcWorkerClient(UniqueFd link, int max_message_bytes,
                                   grpc::CompletionQueue* queue, CallGate* gate)
    : max_message_bytes_(max_message_bytes),
      queue_(queue),
      gate_(gate),
      channel_(MakeChannel(std::move(link), max_message_bytes)) {}

GrpcWorkerClient::~GrpcWorkerClient() {
  if (lane_ != nullptr) lane_->Close();
}

void GrpcWorkerClient::UseStepLane() {
  lane_ = std::make_shared<StepLane>(channel_, max_message_bytes_, queue_, gate_, call_counter_);
}

void GrpcWorkerClient::Call(WorkerMethod method, const grpc::ByteBuffer& request,
                            absl::Time deadline, Done done) {
  if (!gate_->Enter()) return;
  if (method == WorkerMethod::kStep && lane_ != nullptr && lane_->Step(request, deadline, &done)) {
    return;
  }
  auto* call = new PendingCall(max_message_bytes_, gate_, call_counter_,
                               std::move(done));  // Deletes itself.
  if (deadline != absl::InfiniteFuture()) {
    call->context.set_deadline(absl::ToChronoTime(deadline));
  }
  call->reader = stub_.PrepareUnaryCall(&call->context, MethodPath(method), request, queue_);
  call->reader->StartCall();
  call->reader->Finish(&call->reply.message, &call->reply.status,
                       static_cast<CompletionTag*>(call));
}

}  // namespace holdfast
