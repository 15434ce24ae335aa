// A compiler behind the CompilerGym protocol.
#ifndef HOLDFAST_WORKER_LLVM_DEMO_SERVICE_CLIENT_H_
#define HOLDFAST_WORKER_LLVM_DEMO_SERVICE_CLIENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/compiler_gym_service.grpc.pb.h"
#include "worker/llvm/demo/search.h"

namespace holdfast::demo {

// Speaks the public protocol only: what it does, any client can do.
class ServiceClient : public Compiler {
 public:
  // Connects to `address`, HOST:PORT. UNAVAILABLE if nobody answers within some seconds.
  static absl::StatusOr<std::unique_ptr<ServiceClient>> Connect(const std::string& address);

  // "LLVM 19.1.7", as the service says.
  const std::string& compiler_version() const { return compiler_version_; }

  // The names of a named discrete action space. NOT_FOUND if the service does not offer it.
  absl::StatusOr<std::vector<std::string>> ActionNames(const std::string& space) const;

  // The benchmark of later sessions, one that the service brings, and the space of their actions.
  absl::Status SetBenchmark(const std::string& uri, const std::string& action_space);

  // Likewise, and registers `contents` as its program.
  absl::Status SetProgram(const std::string& uri, const std::string& contents,
                          const std::string& action_space);

  // An integer observation of the program as it is.
  absl::StatusOr<int64_t> Measure(const std::string& observation);

  absl::StatusOr<int64_t> Start() override;
  absl::StatusOr<StepOutcome> Step(int action) override;
  absl::Status End() override;

 private:
  explicit ServiceClient(std::unique_ptr<compiler_gym::CompilerGymService::Stub> stub)
      : stub_(std::move(stub)) {}

  absl::Status Describe();
  absl::Status StartSession(const std::string& observation, int64_t& value);

  const std::unique_ptr<compiler_gym::CompilerGymService::Stub> stub_;
  std::string compiler_version_;
  compiler_gym::GetSpacesReply spaces_;
  std::map<std::string, int> action_spaces_;
  std::map<std::string, int> observations_;
  std::string uri_;
  int action_space_ = 0;
  int64_t session_ = -1;
};

}  // namespace holdfast::demo

#endif  // HOLDFAST_WORKER_LLVM_DEMO_SERVICE_CLIENT_H_
