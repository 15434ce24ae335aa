// The steps that are known to kill the worker, so that the same one is not tried again and again.
#ifndef HOLDFAST_FRONTEND_POISONED_STEPS_H_
#define HOLDFAST_FRONTEND_POISONED_STEPS_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "proto/worker_failure.pb.h"

namespace holdfast {

// The session parameter that says whether they are refused: "0" or "1".
inline constexpr char kRefusePoisonedSteps[] = "service.refuse_poisoned_steps";

// Of one session: a step is the same if its request is (but for the session's id) and comes at the
// same place of the history. Bounded: only the last few are remembered. Not thread-safe; a copy, as
// for a fork, is cheap.
class PoisonedSteps {
 public:
  static constexpr size_t kMaxSteps = 16;

  bool empty() const { return steps_.empty(); }

  // `position`: the number of entries of the history before the step. `request`: a StepRequest.
  // `status` and `failure`: how it failed.
  void Add(int64_t position, const grpc::ByteBuffer& request, const grpc::Status& status,
           const WorkerFailure& failure);

  // The answer to a step that is known, with the record of its failure; else nullopt.
  absl::optional<grpc::Status> Find(int64_t position, const grpc::ByteBuffer& request) const;

 private:
  struct Step {
    int64_t position;
    uint64_t request_hash;
    grpc::StatusCode code;
    std::string message;
    WorkerFailure failure;  // Without stderr: it must be small.
  };

  static uint64_t HashOf(const grpc::ByteBuffer& request);

  // Oldest first. Most sessions have none: an empty deque would take half a kilobyte.
  std::vector<Step> steps_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_POISONED_STEPS_H_
