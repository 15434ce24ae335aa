// What a client can ask of a program.
#ifndef HOLDFAST_WORKER_LLVM_OBSERVATIONS_H_
#define HOLDFAST_WORKER_LLVM_OBSERVATIONS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "proto/compiler_gym_service.pb.h"
#include "worker/llvm/program.h"

namespace holdfast::llvm_session {

// All observation spaces; a client names them by index in this list.
std::vector<compiler_gym::ObservationSpace> MakeObservationSpaces();

// The observation at `index`. Does not change the program. INVALID_ARGUMENT beyond the list.
absl::StatusOr<compiler_gym::Event> Observe(int index, Program& program);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_OBSERVATIONS_H_
