#include "worker/llvm/metrics.h"

#include "absl/strings/str_cat.h"
#include "worker/llvm/object_size.h"

namespace holdfast::llvm_session {
namespace {

absl::StatusOr<int64_t> Size(Metric metric, llvm::Module& module, BuiltProgram& build) {
  if (!build.commands().is_buildable()) return ObjectTextSize(module);
  return metric == Metric::kTextSize ? build.TextSize(module) : build.ObjectTextSize(module);
}

}  // namespace

absl::StatusOr<int64_t> Measure(Metric metric, llvm::Module& module, BuiltProgram& build) {
  if (metric == Metric::kInstructionCount) return module.getInstructionCount();
  absl::StatusOr<int64_t> size = Size(metric, module, build);
  if (size.ok()) return size;
  return absl::Status(size.status().code(),
                      absl::StrCat("Failed to compute .text size cost: ", size.status().message()));
}

}  // namespace holdfast::llvm_session
