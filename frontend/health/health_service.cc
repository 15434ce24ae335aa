#include "frontend/health/health_service.h"

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/byte_buffer.h>

#include <string>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "common/byte_buffer.h"
#include "common/completion_tag.h"
#include "common/raw_service.h"
#include "common/status.h"
#include "frontend/logging/log.h"
#include "proto/compiler_gym_service.grpc.pb.h"

namespace holdfast {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

namespace {

grpc::ByteBuffer Encode(HealthCheckResponse::ServingStatus status) {
  HealthCheckResponse response;
  response.set_status(status);
  return Serialize(response);
}

grpc::Status GivenUp() { return {grpc::StatusCode::CANCELLED, "the caller gave up"}; }

grpc::Status TooMany() {
  return {
      grpc::StatusCode::RESOURCE_EXHAUSTED,
      absl::StrCat(HealthService::kMaxWatches, " calls watch the health already, as many as may")};
}

grpc::Status Ended() { return {grpc::StatusCode::UNAVAILABLE, "the service has ended"}; }

}  // namespace

// One call of Watch: written to by one operation at a time, so what changes meanwhile is told
// after.
class HealthService::Watch {
 public:
  explicit Watch(HealthService* owner) : owner_(owner) {
    context_.AsyncNotifyWhenDone(static_cast<CompletionTag*>(&done_));
    owner_->service_.RequestWatch(&context_, &request_, &writer_, owner_->queue_, owner_->queue_,
                                  static_cast<CompletionTag*>(&requested_));
  }

  // Says the status, unless it was said last.
  void Tell() {
    if (!is_open_ || is_writing_) return;
    const bool is_serving = owner_->readiness_->state() == ReadyState::kReady;
    const Status status = owner_->StatusOf(name_, is_serving);
    if (told_ == status) return;
    told_ = status;
    is_writing_ = true;
    writer_.Write(Encode(status), static_cast<CompletionTag*>(&written_));
  }

  void End(const grpc::Status& status) {
    if (!is_open_) return;
    is_open_ = false;
    end_ = status;
    if (!is_writing_) Finish();
  }

 private:
  enum class Event { kRequested, kWritten, kFinished, kDone };

  struct Tag : CompletionTag {
    Tag(Watch* watch, Event event) : watch(watch), event(event) {}
    void Proceed(bool ok) override { watch->Proceed(event, ok); }
    Watch* const watch;
    const Event event;
  };

  void Proceed(Event event, bool ok) {
    switch (event) {
      case Event::kRequested:
        if (!ok) {  // The server shuts down; gRPC never returns done_ of a call that did not start.
          Release();
          return;
        }
        Begin();
        return;
      case Event::kWritten:
        is_writing_ = false;
        if (!is_open_) {  // It was ended meanwhile.
          Finish();
        } else if (ok) {
          Tell();
        } else {
          End(GivenUp());
        }
        return;
      case Event::kFinished:
        is_finished_ = true;
        break;
      case Event::kDone:
        is_done_ = true;
        End(GivenUp());
        break;
    }
    if (is_done_ && is_finished_) Release();
  }

  void Begin() {
    const bool is_one_too_many = owner_->watches_.size() > kMaxWatches;
    owner_->ListenForWatch();
    is_open_ = true;
    if (owner_->is_ended_) return End(Ended());
    if (is_one_too_many) {
      LogWarning(Subsystem::kFront, "a watch of the health is refused: there are as many as may be",
                 {{"watches", kMaxWatches}});
      return End(TooMany());
    }
    HealthCheckRequest request;
    const absl::Status parsed = Parse(request_, &request);
    if (!parsed.ok()) return End(ToGrpcStatus(parsed));
    name_ = request.service();
    Tell();
  }

  void Finish() { writer_.Finish(end_, static_cast<CompletionTag*>(&finished_)); }

  void Release() { owner_->watches_.erase(this); }

  HealthService* const owner_;
  grpc::ServerContext context_;
  grpc::ByteBuffer request_;
  grpc::ServerAsyncWriter<grpc::ByteBuffer> writer_{&context_};
  std::string name_;
  absl::optional<Status> told_;
  grpc::Status end_;
  bool is_open_ = false;  // It has begun, and not been ended.
  bool is_writing_ = false;
  bool is_finished_ = false;
  bool is_done_ = false;
  Tag requested_{this, Event::kRequested};
  Tag written_{this, Event::kWritten};
  Tag finished_{this, Event::kFinished};
  Tag done_{this, Event::kDone};
};

HealthService::HealthService(const Readiness* readiness) : readiness_(readiness) {}

HealthService::~HealthService() = default;

void HealthService::Serve(grpc::ServerCompletionQueue* queue) {
  queue_ = queue;
  checks_.Serve({BindMethod<RawHealth>(
      "Check", &service_, queue, &RawHealth::RequestCheck,
      [this](const std::shared_ptr<UnaryCall>& call) { Check(call.get()); })});
  ListenForWatch();
}

void HealthService::ListenForWatch() {
  auto watch = absl::make_unique<Watch>(this);
  Watch* const key = watch.get();
  watches_[key] = std::move(watch);
}

void HealthService::TellWatches() {
  for (const auto& [watch, owned] : watches_) watch->Tell();
}

void HealthService::EndWatches() {
  is_ended_ = true;
  for (const auto& [watch, owned] : watches_) watch->End(Ended());
}

HealthService::Status HealthService::StatusOf(absl::string_view service, bool is_serving) const {
  if (!service.empty() && service != compiler_gym::CompilerGymService::service_full_name()) {
    return HealthCheckResponse::SERVICE_UNKNOWN;
  }
  return is_serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

void HealthService::Check(UnaryCall* call) const {
  HealthCheckRequest request;
  const absl::Status parsed = Parse(call->request(), &request);
  if (!parsed.ok()) {
    call->Finish(ToGrpcStatus(parsed));
    return;
  }
  const Status status = StatusOf(request.service(), readiness_->Get().is_ready());
  if (status == HealthCheckResponse::SERVICE_UNKNOWN) {
    call->Finish(ToGrpcStatus(
        absl::NotFoundError(absl::StrCat("service is ", request.service(), ", must be empty or ",
                                         compiler_gym::CompilerGymService::service_full_name()))));
    return;
  }
  call->Finish(grpc::Status::OK, Encode(status));
}

}  // namespace holdfast
