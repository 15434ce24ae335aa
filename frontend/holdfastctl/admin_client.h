// A running service, by way of its admin socket.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_ADMIN_CLIENT_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_ADMIN_CLIENT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "proto/admin.grpc.pb.h"
#include "proto/admin.pb.h"

namespace holdfast {

// One connection. Errors say what was asked of which service. Calls but that for the log end after
// some seconds, whatever the service does.
class AdminClient {
 public:
  // `path`: a service's working directory, or its socket. Does not wait for a service that is not
  // there.
  static absl::StatusOr<std::unique_ptr<AdminClient>> Connect(const std::string& path);

  absl::StatusOr<admin::ServiceStatus> GetStatus(const admin::GetStatusRequest& request = {});
  // The sessions that go on.
  absl::StatusOr<int64_t> Drain();
  // Its pid. NotFound: there is no such worker.
  absl::StatusOr<int> KillWorker(uint64_t worker);
  // Calls `on_line` for each line of the log, and follows it until the service ends.
  absl::Status ReadLog(int lines, bool follow,
                       const std::function<void(const std::string&)>& on_line);
  absl::StatusOr<std::string> GetMetrics();

  // Waits until the process of the service is gone.
  void AwaitEnd();

 private:
  AdminClient(std::string socket, UniqueFd process, std::unique_ptr<admin::Admin::Stub> stub);
  absl::Status Explain(const grpc::Status& status, absl::string_view what) const;

  const std::string socket_;
  const UniqueFd process_;  // Of the service; none if it is not to be seen from here.
  const std::unique_ptr<admin::Admin::Stub> stub_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_ADMIN_CLIENT_H_
