// What the service is doing, put together from its parts.
#ifndef HOLDFAST_FRONTEND_ADMIN_STATUS_COLLECTOR_H_
#define HOLDFAST_FRONTEND_ADMIN_STATUS_COLLECTOR_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "frontend/admin/journal.h"
#include "frontend/admin/loop_caller.h"
#include "frontend/benchmarks/benchmark_cache.h"
#include "frontend/checkpoint.h"
#include "frontend/health/readiness.h"
#include "frontend/metrics/metrics.h"
#include "frontend/options.h"
#include "frontend/process_spawner.h"
#include "frontend/session_table.h"
#include "frontend/worker_description.h"
#include "frontend/worker_pool.h"
#include "proto/admin.pb.h"

namespace holdfast {

// Thread-safe.
class StatusCollector {
 public:
  // The most entries of a list.
  static constexpr int kMaxEntries = 1000;

  // All outlive the collector, or the last Collect().
  struct Sources {
    const Options* options = nullptr;
    LimitMechanisms mechanisms;
    std::string worker_binary;
    const Readiness* readiness = nullptr;
    const WorkerDescription* description = nullptr;
    const Journal* journal = nullptr;
    const Metrics* metrics = nullptr;
    const SessionTable* table = nullptr;
    const BenchmarkCache* cache = nullptr;
    const CheckpointStore* checkpoints = nullptr;
    const WorkerPool* pool = nullptr;  // Asked by way of `loop` only.
    LoopCaller* loop = nullptr;
  };

  explicit StatusCollector(Sources sources);

  // Where the service serves, once it is known; see ServiceStatus.
  void SetAddresses(const std::string& address, const std::string& metrics_address);

  // Any thread that may block, but the supervision thread. `request` asks for what there is: 0 to
  // kMaxEntries. Without an answer of the supervision thread in time (see LoopCaller), the status
  // has no workers, and its `reason` says so.
  //
  // Costs some microseconds for each worker and each session that is listed, and sorts all sessions
  // by their last call.
  admin::ServiceStatus Collect(const admin::GetStatusRequest& request) const;

 private:
  using WorkersById = absl::flat_hash_map<uint64_t, admin::Worker*>;

  void AddReadiness(admin::ServiceStatus* status) const;
  // Pointers into `status`.
  WorkersById AddWorkers(admin::ServiceStatus* status) const;
  void AddSessions(int max, const WorkersById& workers, admin::ServiceStatus* status) const;
  void AddEvents(int max_failures, admin::ServiceStatus* status) const;
  void AddMemory(admin::ServiceStatus* status) const;
  void AddLatencies(admin::ServiceStatus* status) const;

  const Sources from_;
  const absl::Time start_;
  mutable absl::Mutex mutex_;
  std::string address_ ABSL_GUARDED_BY(mutex_);
  std::string metrics_address_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_STATUS_COLLECTOR_H_
