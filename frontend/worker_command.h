// How the workers of a service are started.
#ifndef HOLDFAST_FRONTEND_WORKER_COMMAND_H_
#define HOLDFAST_FRONTEND_WORKER_COMMAND_H_

#include <string>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "frontend/options.h"
#include "frontend/worker_slot.h"

namespace holdfast {

// The worker binary, opened: what is started later is this file, even if another takes its place.
// InvalidArgument if --worker names none that can be executed, or is empty and `is_worker` is
// false.
absl::StatusOr<UniqueFd> OpenWorkerBinary(const Options& options, bool is_worker);

// `binary` is borrowed. The environment is clean: what workers need to find programs, nothing else.
WorkerCommand MakeWorkerCommand(const Options& options, const std::string& program, int binary,
                                const std::string& scratch_root);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_WORKER_COMMAND_H_
