// What clients set by session parameters.
#ifndef HOLDFAST_WORKER_LLVM_SESSION_PARAMETERS_H_
#define HOLDFAST_WORKER_LLVM_SESSION_PARAMETERS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "google/protobuf/map.h"
#include "worker/compilation_session.h"

namespace holdfast::llvm_session {

// `llvm.set_NAME` sets one and replies its value, `llvm.get_NAME` tells it.
struct SessionParameters {
  using Values = google::protobuf::Map<std::string, int64_t>;

  int64_t runtimes_per_observation_count = 1;             // At least 1.
  int64_t warmup_runs_count_per_runtime_observation = 0;  // At least 0.
  int64_t buildtimes_per_observation_count = 1;           // At least 1.

  // nullopt: the key is none of these. INVALID_ARGUMENT, clean, if the value is not allowed.
  absl::StatusOr<absl::optional<ParameterResult>> Handle(absl::string_view key,
                                                         absl::string_view value);

  // The same for the same values, in every process. 24 bytes.
  std::string Fingerprint() const;

  // By name, for a snapshot, and back.
  void Save(Values* values) const;
  void Restore(const Values& values);
};

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_SESSION_PARAMETERS_H_
