// A service of our own, to replay in: a front that nobody else can reach, and that does not outlive
// us.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_PRIVATE_SERVICE_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_PRIVATE_SERVICE_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/compiler_gym_service.grpc.pb.h"

namespace holdfast {

// The first argument of a process that is to play the front of a PrivateService.
inline constexpr char kPrivateFrontArgument[] = "--holdfast_role=private_front";

// That process: its main(). The binary must also play the spawner (common/roles.h).
int RunPrivateFront(int argc, char** argv);

// Confined to the main thread: the front ends with the thread that started it.
class PrivateService {
 public:
  // Runs this binary as a front with `flags`, and waits until it serves. What is wrong with the
  // flags it says on stderr itself; FailedPrecondition then.
  static absl::StatusOr<std::unique_ptr<PrivateService>> Start(
      const std::vector<std::string>& flags);
  // Ends it, and removes what it left.
  ~PrivateService();
  PrivateService(const PrivateService&) = delete;
  PrivateService& operator=(const PrivateService&) = delete;

  compiler_gym::CompilerGymService::Stub* stub() { return stub_.get(); }

 private:
  PrivateService() = default;

  std::string directory_;  // The front's working directory, with its socket in it.
  pid_t front_ = 0;
  std::unique_ptr<compiler_gym::CompilerGymService::Stub> stub_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_PRIVATE_SERVICE_H_
