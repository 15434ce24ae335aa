// What a module costs, by instructions or by bytes of code.
#ifndef HOLDFAST_WORKER_LLVM_METRICS_H_
#define HOLDFAST_WORKER_LLVM_METRICS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "llvm/IR/Module.h"
#include "worker/llvm/built_program.h"

namespace holdfast::llvm_session {

enum class Metric {
  kInstructionCount,
  kObjectTextSize,  // Of the object file.
  kTextSize,        // Of the linked program, or of the object file if there is no build command.
};

// Does not change the module. Sizes are those of `build` if it has a build command, else of what
// LLVM itself compiles. An error of theirs begins with "Failed to compute .text size cost", which
// CompilerGym's client looks for.
absl::StatusOr<int64_t> Measure(Metric metric, llvm::Module& module, BuiltProgram& build);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_METRICS_H_
