// Unary methods on one completion queue, with requests and replies as raw bytes. Both the front and
// the worker serve with this.
#ifndef HOLDFAST_COMMON_UNARY_SERVER_H_
#define HOLDFAST_COMMON_UNARY_SERVER_H_

#include <grpcpp/completion_queue.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "common/completion_tag.h"

namespace holdfast {

class UnaryServer;

// One call. Shared by the server, until gRPC is done with it, and by whoever is to answer it.
class UnaryCall {
 public:
  // Of the client, by the wall clock; infinite future: none.
  absl::Time deadline() const { return deadline_; }
  absl::Time start() const { return start_; }
  const grpc::ByteBuffer& request() const { return request_; }
  grpc::ServerContext& context() { return context_; }
  // Any thread. Also true if it was given up: what is done for it then is done for nobody.
  bool is_answered() const { return answered_; }

  // Any thread. Answers the call: the first answer counts, later ones are ignored and return false.
  // Trailing metadata must be in the context before.
  bool Finish(const grpc::Status& status, const grpc::ByteBuffer& reply = {});

  // Runs `hook`, at most once and on the queue's thread, if the call is given up before it was
  // answered: by the client, or by AbortCalls(). `reason` says which. To be set by the handler
  // before it returns. Without a hook an aborted call is answered with `reason`.
  void OnAbort(absl::AnyInvocable<void(const grpc::Status& reason)> hook) {
    abort_hook_ = std::move(hook);
  }

  // Runs `hook`, on the queue's thread, if the call ends without its answer having reached the
  // client, as far as gRPC can tell. For calls that make something which only their answer names.
  void OnUndelivered(absl::AnyInvocable<void()> hook) { undelivered_hook_ = std::move(hook); }

 private:
  friend class UnaryServer;
  enum class Event { kRequested, kDone, kFinished };

  struct Tag : CompletionTag {
    Tag(UnaryCall* call, Event event) : call(call), event(event) {}
    void Proceed(bool ok) override { call->Proceed(event, ok); }
    UnaryCall* const call;
    const Event event;
  };

  UnaryCall(UnaryServer* server, int method);
  void Proceed(Event event, bool ok);
  void Abort(const grpc::Status& reason);
  void ReleaseWhenOver();

  UnaryServer* const server_;
  const int method_;
  grpc::ServerContext context_;
  grpc::ByteBuffer request_;
  grpc::ServerAsyncResponseWriter<grpc::ByteBuffer> responder_{&context_};
  absl::Time deadline_;
  absl::Time start_;
  std::atomic<bool> answered_{false};
  grpc::StatusCode code_ = grpc::StatusCode::UNKNOWN;
  size_t reply_bytes_ = 0;
  absl::AnyInvocable<void(const grpc::Status&)> abort_hook_;
  absl::AnyInvocable<void()> undelivered_hook_;
  Tag requested_{this, Event::kRequested};
  Tag done_{this, Event::kDone};
  Tag finished_{this, Event::kFinished};
  bool is_done_ = false;
  bool is_finished_ = false;
  std::shared_ptr<UnaryCall> self_;  // Held until gRPC has returned all tags.
};

// All methods below run on the queue's thread, of which there is one, unless said otherwise.
class UnaryServer {
 public:
  struct Method {
    std::string name;
    // The generated Request function of a WithRawMethod_… service.
    std::function<void(grpc::ServerContext*, grpc::ByteBuffer*,
                       grpc::ServerAsyncResponseWriter<grpc::ByteBuffer>*, void* tag)>
        request;
    std::function<void(std::shared_ptr<UnaryCall>)> handle;
  };
  // All on the queue's thread, unless said otherwise. Each may be null.
  struct Hooks {
    // A call with a request of so many bytes has arrived. An error refuses it.
    std::function<grpc::Status(size_t request_bytes)> admit;
    // It was answered, after so long.
    std::function<void(int method, grpc::StatusCode code, absl::Duration took)> answered;
    // It is being answered with so many bytes. Any thread.
    std::function<void(size_t reply_bytes)> answering;
    // gRPC is done with it, with so many bytes of request and reply. Also after a refusal. Others
    // may still share the request's bytes.
    std::function<void(size_t bytes)> over;
  };

  explicit UnaryServer(Hooks hooks = {}) : hooks_(std::move(hooks)) {}

  // Serves `methods` from now on: one listening call each, renewed as they arrive. Any thread,
  // once, after the grpc::Server was started.
  void Serve(std::vector<Method> methods);

  // From now on new calls are answered `status` at once. `on_idle` runs once, when no older call is
  // open any more. The beginning of an orderly end.
  void RefuseCalls(const grpc::Status& status, absl::AnyInvocable<void()> on_idle);
  // Has all open calls answered, with `reason` if they are not done first.
  void AbortCalls(const grpc::Status& reason);
  size_t open_calls() const { return open_.size(); }

 private:
  friend class UnaryCall;

  void Listen(int method);
  void Arrived(const std::shared_ptr<UnaryCall>& call);

  void Ended(UnaryCall* call);

  const Hooks hooks_;
  std::vector<Method> methods_;
  grpc::Status refusal_;
  absl::AnyInvocable<void()> on_idle_;
  absl::flat_hash_set<UnaryCall*> open_;
};

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_UNARY_SERVER_H_
