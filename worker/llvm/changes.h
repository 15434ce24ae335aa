// What clients may do to the module of a session: actions and optimisation levels, as they name
// them, as a session records them, and as passes.
//
// All errors are INVALID_ARGUMENT, and name what was sent and what may be.
#ifndef HOLDFAST_WORKER_LLVM_CHANGES_H_
#define HOLDFAST_WORKER_LLVM_CHANGES_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/compiler_gym_service.pb.h"
#include "worker/llvm/llvm_snapshot.pb.h"
#include "worker/llvm/pass_tables.h"

namespace holdfast::llvm_session {

// The longest pipeline that is taken, in bytes. LLVM's own -O3 has 4 KiB, written out; LLVM's
// parser overflows the stack where 2,000 brackets are open.
constexpr int64_t kMaxPipelineSize = 8192;

// PassSpaces(), as clients see them.
std::vector<compiler_gym::ActionSpace> MakeActionSpaces();

absl::StatusOr<Change> ChangeOfAction(const compiler_gym::Event& action, const PassSpace& space);

// `level`: as "-O3".
absl::StatusOr<Change> ChangeOfBaseline(absl::string_view level);

// Several, as text: one a line, an action's index or a pipeline, as the space has them, or a level.
// Indices may have commas between them instead of line ends.
absl::StatusOr<std::vector<Change>> ParseChanges(absl::string_view text, const PassSpace& space);

// What LLVM runs for a change. Refers to the text of `change`.
absl::StatusOr<Pass> PassOf(const Change& change, const PassSpace& space);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_CHANGES_H_
