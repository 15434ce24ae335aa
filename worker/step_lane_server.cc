#include "worker/step_lane_server.h"

#include "common/completion_tag.h"

namespace holdfast {

// One lane, from before it is opened to its end, when it deletes itself.
class StepLaneServer::Lane {
 public:
  explicit Lane(StepLaneServer* server) : server_(server) {
    server_->listen_(&context_, &stream_, static_cast<CompletionTag*>(&opened_));
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
    server_->Serve();  // The next one.
    Read();
  }

  void Read() { stream_.Read(&request_, static_cast<CompletionTag*>(&has_read_)); }

  void HasRead(bool ok) {
    is_request_read_ = true;
    is_over_ = !ok;
    Answer();
  }

  void Written(bool ok) {
    is_writing_ = false;
    is_over_ = is_over_ || !ok;
    Answer();
  }

  // A reply is written while the next request is awaited: the order of the two ends is open. gRPC
  // takes a system call less if the write is begun first.
  void Answer() {
    if (is_writing_ || !is_request_read_) return;
    if (is_over_) {
      stream_.Finish(grpc::Status::OK, static_cast<CompletionTag*>(&finished_));
      return;
    }
    const grpc::ByteBuffer reply = EncodeStepLaneReply(server_->step_(request_));
    is_writing_ = true;
    is_request_read_ = false;
    stream_.Write(reply, static_cast<CompletionTag*>(&written_));
    Read();
  }

  void Finished(bool /*ok*/) { delete this; }

  StepLaneServer* const server_;
  grpc::ServerContext context_;
  Stream stream_{&context_};
  grpc::ByteBuffer request_;
  bool is_request_read_ = false;
  bool is_writing_ = false;
  bool is_over_ = false;
  Tag opened_{this, &Lane::Opened};
  Tag has_read_{this, &Lane::HasRead};
  Tag written_{this, &Lane::Written};
  Tag finished_{this, &Lane::Finished};
};

void StepLaneServer::Serve() { new Lane(this); }

}  // namespace holdfast
