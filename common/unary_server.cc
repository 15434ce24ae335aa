#include "common/unary_server.h"

#include <chrono>
#include <utility>

#include "absl/time/clock.h"

namespace holdfast {

UnaryCall::UnaryCall(UnaryServer* server, int method) : server_(server), method_(method) {
  context_.AsyncNotifyWhenDone(static_cast<CompletionTag*>(&done_));
}

bool UnaryCall::Finish(const grpc::Status& status, const grpc::ByteBuffer& reply) {
  if (answered_.exchange(true)) return false;
  code_ = status.error_code();
  if (status.ok()) {
    reply_bytes_ = reply.Length();
    if (server_->hooks_.answering) server_->hooks_.answering(reply_bytes_);
    responder_.Finish(reply, status, static_cast<CompletionTag*>(&finished_));
  } else {
    responder_.FinishWithError(status, static_cast<CompletionTag*>(&finished_));
  }
  return true;
}

void UnaryCall::Proceed(Event event, bool ok) {
  switch (event) {
    case Event::kRequested:
      if (!ok) {  // The server shuts down; gRPC never returns done_ of a call that did not start.
        self_.reset();
        return;
      }
      start_ = absl::Now();
      deadline_ = context_.deadline() == std::chrono::system_clock::time_point::max()
                      ? absl::InfiniteFuture()
                      : absl::FromChrono(context_.deadline());
      server_->Arrived(self_);
      return;
    case Event::kDone:
      is_done_ = true;
      if (context_.IsCancelled()) {
        Abort(
            absl::Now() >= deadline_
                ? grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "the caller's deadline is over")
                : grpc::Status(grpc::StatusCode::CANCELLED, "the caller gave up"));
      }
      break;
    case Event::kFinished:
      is_finished_ = true;
      if (server_->hooks_.answered) server_->hooks_.answered(method_, code_, absl::Now() - start_);
      break;
  }
  ReleaseWhenOver();
}

void UnaryCall::Abort(const grpc::Status& reason) {
  if (answered_) return;
  if (auto hook = std::exchange(abort_hook_, nullptr)) {
    hook(reason);
  } else {
    Finish(reason);
  }
}

void UnaryCall::ReleaseWhenOver() {
  if (!is_done_ || !is_finished_) return;
  if (undelivered_hook_ && context_.IsCancelled()) undelivered_hook_();
  server_->Ended(this);
  // Whoever was to answer may hold the call for longer; what the hook holds must go now.
  abort_hook_ = nullptr;
  undelivered_hook_ = nullptr;
  self_.reset();
}

void UnaryServer::Serve(std::vector<Method> methods) {
  methods_ = std::move(methods);
  for (size_t i = 0; i < methods_.size(); ++i) Listen(static_cast<int>(i));
}

void UnaryServer::Listen(int method) {
  std::shared_ptr<UnaryCall> call(new UnaryCall(this, method));
  UnaryCall* raw = call.get();
  raw->self_ = std::move(call);
  methods_[method].request(&raw->context_, &raw->request_, &raw->responder_,
                           static_cast<CompletionTag*>(&raw->requested_));
}

void UnaryServer::Arrived(const std::shared_ptr<UnaryCall>& call) {
  open_.insert(call.get());
  // A copy: the call may be over, and self_ with it, before its handler returns.
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization)
  const std::shared_ptr<UnaryCall> keep = call;
  Listen(keep->method_);
  grpc::Status status = refusal_;
  if (hooks_.admit) {
    const grpc::Status admitted = hooks_.admit(keep->request_.Length());
    if (status.ok()) status = admitted;
  }
  if (status.ok()) {
    methods_[keep->method_].handle(keep);
  } else {
    keep->Finish(status);
  }
}

void UnaryServer::Ended(UnaryCall* call) {
  open_.erase(call);
  if (hooks_.over) hooks_.over(call->request_.Length() + call->reply_bytes_);
  if (open_.empty() && on_idle_) std::exchange(on_idle_, nullptr)();
}

void UnaryServer::RefuseCalls(const grpc::Status& status, absl::AnyInvocable<void()> on_idle) {
  refusal_ = status;
  on_idle_ = std::move(on_idle);
  if (open_.empty() && on_idle_) std::exchange(on_idle_, nullptr)();
}

void UnaryServer::AbortCalls(const grpc::Status& reason) {
  const std::vector<UnaryCall*> open(open_.begin(), open_.end());
  for (UnaryCall* call : open)
    call->Abort(reason);  // Freed only by tags, so by this thread, later.
}

}  // namespace holdfast
