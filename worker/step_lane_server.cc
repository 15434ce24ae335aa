#include "worker/step_lane_server.h"

#include <grpcpp/impl/call_op_set.h>

#include <map>
#include <string>

#include "common/completion_tag.h"
#include "common/invariant.h"

namespace holdfast {

// One lane, from before it is opened to its end, when it deletes itself.
class StepLaneServer::Lane {
 public:
  Lane(const StepLaneServer* lanes, grpc::internal::CallHook* server, grpc::CompletionQueue* queue)
      : lanes_(lanes), server_(server), queue_(queue) {
    lanes_->listen_(&context_, &stream_, static_cast<CompletionTag*>(&opened_));
  }

 private:
  using Handler = void (Lane::*)(bool ok);
  struct Tag : CompletionTag {
    Tag(Lane* lane, Handler handler) : lane(lane), handler(handler) {}
    void Proceed(bool ok) override { (lane->*handler)(ok); }
    Lane* const lane;
    const Handler handler;
  };

  void Opened(bool ok) {
    if (!ok) {  // The server shuts down.
      delete this;
      return;
    }
    new Lane(lanes_, server_, queue_);  // The next one.
    call_ = grpc::internal::Call(context_.c_call(), server_, queue_);
    exchange_.SendInitialMetadata(&no_metadata_, /*flags=*/0);
    Receive();
  }

  // The reply, if any, goes out, and a request comes in.
  void Receive() {
    exchange_.RecvMessage(&request_);
    exchange_.set_output_tag(static_cast<CompletionTag*>(&received_));
    call_.PerformOps(&exchange_);
  }

  void Received(bool ok) {
    if (!ok) {  // There are no more.
      finish_.ServerSendStatus(&no_metadata_, grpc::Status::OK);
      finish_.set_output_tag(static_cast<CompletionTag*>(&finished_));
      call_.PerformOps(&finish_);
      return;
    }
    const grpc::ByteBuffer reply = EncodeStepLaneReply(lanes_->step_(request_));
    request_.Clear();
    CheckInvariant(exchange_.SendMessage(reply).ok(), "bytes need no serialising");
    Receive();
  }

  void Finished(bool /*ok*/) { delete this; }

  const StepLaneServer* const lanes_;
  grpc::internal::CallHook* const server_;
  grpc::CompletionQueue* const queue_;
  grpc::ServerContext context_;
  Stream stream_{&context_};
  grpc::internal::Call call_;
  // One batch sends a reply and receives the next request: see frontend/step_lane.h.
  grpc::internal::CallOpSet<grpc::internal::CallOpSendInitialMetadata,
                            grpc::internal::CallOpSendMessage,
                            grpc::internal::CallOpRecvMessage<grpc::ByteBuffer>>
      exchange_;
  grpc::internal::CallOpSet<grpc::internal::CallOpServerSendStatus> finish_;
  std::multimap<std::string, std::string> no_metadata_;
  grpc::ByteBuffer request_;
  Tag opened_{this, &Lane::Opened};
  Tag received_{this, &Lane::Received};
  Tag finished_{this, &Lane::Finished};
};

void StepLaneServer::Serve(grpc::internal::CallHook* server, grpc::CompletionQueue* queue) {
  new Lane(this, server, queue);
}

}  // namespace holdfast
