#include "frontend/poisoned_steps.h"

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "common/byte_buffer.h"
#include "frontend/failure_status.h"
#include "proto/compiler_gym_service.pb.h"

namespace holdfast {

void PoisonedSteps::Add(int64_t position, const grpc::ByteBuffer& request,
                        const grpc::Status& status, const WorkerFailure& failure) {
  if (Find(position, request).has_value()) return;
  if (steps_.size() == kMaxSteps) steps_.erase(steps_.begin());
  steps_.push_back(
      {position, HashOf(request), status.error_code(), status.error_message(), failure});
  steps_.back().failure.clear_stderr_tail();
}

absl::optional<grpc::Status> PoisonedSteps::Find(int64_t position,
                                                 const grpc::ByteBuffer& request) const {
  if (steps_.empty()) return absl::nullopt;
  const uint64_t hash = HashOf(request);
  for (const Step& step : steps_) {
    if (step.position != position || step.request_hash != hash) continue;
    return MakeFailureStatus(
        step.code,
        absl::StrCat("refused, because it has failed here before (the session parameter ",
                     kRefusePoisonedSteps, "=0 lets it be tried again): ", step.message),
        step.failure);
  }
  return absl::nullopt;
}

uint64_t PoisonedSteps::HashOf(const grpc::ByteBuffer& request) {
  compiler_gym::StepRequest step;
  // What cannot be parsed is all the same step: the worker refuses it without failing.
  if (!Parse(request, &step).ok()) step.Clear();
  step.clear_session_id();
  return absl::HashOf(step.SerializeAsString());
}

}  // namespace holdfast
