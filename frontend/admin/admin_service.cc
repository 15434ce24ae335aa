#include "frontend/admin/admin_service.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "frontend/admin/log_tail.h"
#include "frontend/logging/log.h"

namespace holdfast {
namespace {

constexpr int kMaxLogLines = 10000;
// Between two looks at a log that is followed.
constexpr absl::Duration kLookPeriod = absl::Milliseconds(100);

// OK, or what is wrong with the field.
grpc::Status CheckRange(absl::string_view field, int value, int max) {
  if (value >= 0 && value <= max) return grpc::Status::OK;
  return {grpc::StatusCode::INVALID_ARGUMENT,
          absl::StrCat(field, " is ", value, ", must be in [0, ", max, "]")};
}

}  // namespace

grpc::Status AdminService::GetStatus(grpc::ServerContext* /*context*/,
                                     const admin::GetStatusRequest* request,
                                     admin::ServiceStatus* reply) {
  constexpr int kMax = StatusCollector::kMaxEntries;
  grpc::Status status = CheckRange("max_sessions", request->max_sessions(), kMax);
  if (status.ok()) status = CheckRange("max_failures", request->max_failures(), kMax);
  if (status.ok()) *reply = deps_.status->Collect(*request);
  return status;
}

grpc::Status AdminService::Drain(grpc::ServerContext* /*context*/,
                                 const admin::DrainRequest* /*request*/, admin::DrainReply* reply) {
  reply->set_sessions(deps_.table->size());
  return OnLoop([this] { deps_.drain->Begin("an operator's order"); });
}

grpc::Status AdminService::KillWorker(grpc::ServerContext* /*context*/,
                                      const admin::KillWorkerRequest* request,
                                      admin::KillWorkerReply* reply) {
  absl::optional<pid_t> pid;
  grpc::Status status = OnLoop([&] { pid = deps_.pool->Kill(request->worker()); });
  if (!status.ok()) return status;
  if (!pid.has_value()) {
    return {grpc::StatusCode::NOT_FOUND,
            absl::StrCat("worker is ", request->worker(), ", must be the id of one that runs")};
  }
  LogInfo(Subsystem::kAdmin, "worker is killed by an operator's order",
          {{"worker", request->worker()}, {"pid", *pid}});
  reply->set_pid(*pid);
  return grpc::Status::OK;
}

grpc::Status AdminService::ReadLog(grpc::ServerContext* context, LogStream* stream) {
  {
    absl::MutexLock lock(&mutex_);
    if (log_readers_ == kMaxLogReaders) {
      return {grpc::StatusCode::RESOURCE_EXHAUSTED,
              absl::StrCat(kMaxLogReaders, " calls read the log already, as many as may")};
    }
    ++log_readers_;
  }
  const auto leave = absl::MakeCleanup([this] {
    absl::MutexLock lock(&mutex_);
    --log_readers_;
  });
  admin::ReadLogRequest request;
  if (!AwaitReader(context, [&] { return stream->Read(&request); })) {
    return {grpc::StatusCode::INVALID_ARGUMENT,
            "the call has no request that can be read, must have one"};
  }
  const grpc::Status status = CheckRange("lines", request.lines(), kMaxLogLines);
  return status.ok() ? WriteLog(request, context, stream) : status;
}

grpc::Status AdminService::WriteLog(const admin::ReadLogRequest& request,
                                    grpc::ServerContext* context, LogStream* stream) {
  LogTail tail(deps_.log_file, request.lines());
  bool is_last_look = !request.follow();
  while (!context->IsCancelled()) {
    admin::LogLines reply;
    for (std::string& line : tail.Read()) reply.add_lines(std::move(line));
    if (reply.lines_size() > 0) {
      if (!AwaitReader(context, [&] { return stream->Write(reply); })) break;
      continue;
    }
    if (is_last_look) {
      EndLog(context, stream);
      return grpc::Status::OK;
    }
    // After a stop it looks once more.
    absl::MutexLock lock(&mutex_);
    is_last_look = mutex_.AwaitWithTimeout(absl::Condition(&is_stopped_), kLookPeriod);
  }
  return grpc::Status::CANCELLED;
}

void AdminService::EndLog(grpc::ServerContext* context, LogStream* stream) {
  admin::LogLines last;
  last.set_is_last(true);
  AwaitReader(context, [&] { return stream->Write(last); });
  // Once the connection is closed, whatever the client's gRPC writes to it, be it how much more it
  // would take, loses the client what it has not read. So the client closes its side first.
  admin::ReadLogRequest none;
  AwaitReader(context, [&] { return stream->Read(&none); });
}

grpc::Status AdminService::GetMetrics(grpc::ServerContext* /*context*/,
                                      const admin::GetMetricsRequest* /*request*/,
                                      admin::MetricsText* reply) {
  reply->set_text(deps_.metrics->Text());
  return grpc::Status::OK;
}

bool AdminService::AwaitReader(grpc::ServerContext* context, absl::FunctionRef<bool()> operation) {
  {
    absl::MutexLock lock(&mutex_);
    waits_[context] = absl::Now();
  }
  const bool ok = operation();
  absl::MutexLock lock(&mutex_);
  waits_.erase(context);
  return ok;
}

grpc::Status AdminService::OnLoop(absl::FunctionRef<void()> work) {
  if (deps_.loop->Call(work)) return grpc::Status::OK;
  return {grpc::StatusCode::UNAVAILABLE,
          absl::StrCat("the supervision thread does not answer within ",
                       absl::FormatDuration(deps_.loop->timeout()), ", or the service has ended")};
}

void AdminService::Stop() {
  absl::MutexLock lock(&mutex_);
  is_stopped_ = true;
}

void AdminService::CutSlowReaders() {
  absl::MutexLock lock(&mutex_);
  const absl::Time oldest = absl::Now() - kMaxWait;
  absl::erase_if(waits_, [oldest](const auto& wait) {
    if (wait.second > oldest) return false;
    LogInfo(Subsystem::kAdmin, "a reader of the log is cut off: it keeps the service waiting",
            {{"for", kMaxWait}});
    wait.first->TryCancel();
    return true;
  });
}

}  // namespace holdfast
