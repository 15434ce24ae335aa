// What is measured: the operations, and how many clients do them.
#ifndef HOLDFAST_TESTS_BENCH_WORKLOAD_H_
#define HOLDFAST_TESTS_BENCH_WORKLOAD_H_

#include <grpcpp/support/status.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proto/compiler_gym_service.grpc.pb.h"

namespace holdfast {

// One request and its reply, without what gRPC adds. At least a byte each.
struct Exchange {
  size_t request_bytes = 1;
  size_t reply_bytes = 1;
};

// Does one operation, again and again. Its calls must not overlap.
class Client {
 public:
  virtual ~Client() = default;
  // Before and after each round, without being measured.
  virtual grpc::Status Begin() { return grpc::Status::OK; }
  virtual grpc::Status End() { return grpc::Status::OK; }
  // What is measured.
  virtual grpc::Status Call() = 0;
  // What the last Call() exchanged.
  virtual std::vector<Exchange> exchanges() const = 0;
};

// One for each session of a client. Sessions of one service share theirs.
using Stubs = std::vector<std::shared_ptr<compiler_gym::CompilerGymService::Stub>>;

struct Load {
  int clients = 0;
  int sessions = 0;  // Of all clients together, each of which takes turns between its own.
};

struct Operation {
  std::string name;
  std::function<std::unique_ptr<Client>(Stubs)> new_client;
  std::vector<Load> loads;
  // Whether Holdfast takes a fresh process for each session, as it does by default.
  bool fresh_workers = false;
  // Whether a worker without a front can do it.
  bool can_be_direct = true;
};

// All there are.
std::vector<Operation> Operations();

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_BENCH_WORKLOAD_H_
