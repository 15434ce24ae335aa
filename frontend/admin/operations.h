// What operators get to see of a service, and may do to it.
#ifndef HOLDFAST_FRONTEND_ADMIN_OPERATIONS_H_
#define HOLDFAST_FRONTEND_ADMIN_OPERATIONS_H_

#include <memory>

#include "absl/status/status.h"
#include "frontend/admin/admin_server.h"
#include "frontend/admin/admin_service.h"
#include "frontend/admin/loop_caller.h"
#include "frontend/admin/status_collector.h"
#include "frontend/event_loop.h"
#include "frontend/health/drain.h"
#include "frontend/health/liveness.h"
#include "frontend/http/http_server.h"
#include "frontend/spawner/spawner_client.h"
#include "frontend/worker_pool.h"
#include "frontend/working_directory.h"

namespace holdfast {

// Lives on the supervision thread, and is shut down there.
class Operations {
 public:
  // The parts of the service. All outlive this object.
  struct Service {
    EventLoop* loop = nullptr;
    WorkerPool* pool = nullptr;
    Drain* drain = nullptr;
    const Liveness* liveness = nullptr;
    SpawnerClient* spawner = nullptr;
    const WorkingDirectory* directory = nullptr;
  };

  // Of `sources`, the fields mechanisms, pool and loop are set here.
  Operations(const Service& service, StatusCollector::Sources sources);

  StatusCollector* status() { return &status_; }

  // Serves over HTTP as --metrics_listen says. Errors are about that flag.
  absl::Status ServePages();
  // The port of that; 0: there is none.
  int http_port() const { return http_ == nullptr ? 0 : http_->port(); }

  // Serves as --admin_socket says. Errors are about that flag; without it there is only a warning
  // if the socket cannot be had.
  absl::Status ServeAdmin();

  // When the loop has ended: who waits for it gets what there is.
  void CloseLoop() { loop_caller_.Close(); }
  // Ends the calls under way, after that.
  void Shutdown();

 private:
  const Service service_;
  const StatusCollector::Sources sources_;
  LoopCaller loop_caller_;
  StatusCollector status_;
  AdminService admin_service_;
  std::unique_ptr<AdminServer> server_;  // Null: there is none.
  std::unique_ptr<HttpServer> http_;     // Likewise.
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_OPERATIONS_H_
