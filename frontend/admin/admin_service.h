// Answers operators: proto/admin.proto.
#ifndef HOLDFAST_FRONTEND_ADMIN_ADMIN_SERVICE_H_
#define HOLDFAST_FRONTEND_ADMIN_ADMIN_SERVICE_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>
#include <grpcpp/support/sync_stream.h>

#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "frontend/admin/loop_caller.h"
#include "frontend/admin/status_collector.h"
#include "frontend/health/drain.h"
#include "frontend/metrics/metrics.h"
#include "frontend/session_table.h"
#include "frontend/worker_pool.h"
#include "proto/admin.grpc.pb.h"
#include "proto/admin.pb.h"

namespace holdfast {

// Thread-safe. Calls block their thread: those for the log for as long as they like.
class AdminService final : public admin::Admin::Service {
 public:
  using LogStream = grpc::ServerReaderWriter<admin::LogLines, admin::ReadLogRequest>;

  // A reader of the log who is waited for so long is cut off.
  static constexpr absl::Duration kMaxWait = absl::Seconds(5);
  // Readers of the log at once, each of which keeps a thread: half of AdminServer::kMaxThreads.
  static constexpr int kMaxLogReaders = 8;

  // All outlive the service.
  struct Dependencies {
    const StatusCollector* status = nullptr;
    const Metrics* metrics = nullptr;
    const SessionTable* table = nullptr;
    LoopCaller* loop = nullptr;
    WorkerPool* pool = nullptr;  // These two by way of `loop` only.
    holdfast::Drain* drain = nullptr;
    std::string log_file;
  };

  explicit AdminService(Dependencies dependencies) : deps_(std::move(dependencies)) {}

  grpc::Status GetStatus(grpc::ServerContext* context, const admin::GetStatusRequest* request,
                         admin::ServiceStatus* reply) override;
  grpc::Status Drain(grpc::ServerContext* context, const admin::DrainRequest* request,
                     admin::DrainReply* reply) override;
  grpc::Status KillWorker(grpc::ServerContext* context, const admin::KillWorkerRequest* request,
                          admin::KillWorkerReply* reply) override;
  grpc::Status ReadLog(grpc::ServerContext* context, LogStream* stream) override;
  grpc::Status GetMetrics(grpc::ServerContext* context, const admin::GetMetricsRequest* request,
                          admin::MetricsText* reply) override;

  // Ends the calls of ReadLog, once they have said what there is; further ones do not follow.
  void Stop();
  // Cancels those that have waited for their reader for kMaxWait. To be called now and then.
  void CutSlowReaders();

 private:
  grpc::Status WriteLog(const admin::ReadLogRequest& request, grpc::ServerContext* context,
                        LogStream* stream);
  // Says that nothing follows, and waits until the reader knows.
  void EndLog(grpc::ServerContext* context, LogStream* stream);
  // What `operation`, which waits for the reader of a log, returns. False: the call is over, or the
  // reader has closed its side.
  bool AwaitReader(grpc::ServerContext* context, absl::FunctionRef<bool()> operation);
  // Runs `work` on the supervision thread.
  grpc::Status OnLoop(absl::FunctionRef<void()> work);

  const Dependencies deps_;
  absl::Mutex mutex_;
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;
  int log_readers_ ABSL_GUARDED_BY(mutex_) = 0;
  // The calls that wait for their reader now, since when.
  absl::flat_hash_map<grpc::ServerContext*, absl::Time> waits_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_ADMIN_SERVICE_H_
