// Runs pass pipelines on a module.
#ifndef HOLDFAST_WORKER_LLVM_PASS_RUNNER_H_
#define HOLDFAST_WORKER_LLVM_PASS_RUNNER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "worker/llvm/pass_tables.h"

namespace holdfast::llvm_session {

// What LLVM runs for `pass` on `module`; empty: nothing, as for lack of a target.
absl::string_view PipelineFor(const Pass& pass, const llvm::Module& module);

// Gives the pass's hint to the loops and runs PipelineFor() the two, as RunPipeline does. The same
// module becomes the same in any process, and nothing stays behind that bitcode does not hold
// (module_bitcode.h).
absl::Status RunPass(const Pass& pass, llvm::Module& module);

// Runs the pass pipeline `text`, as `gvn` or `default<O3>`; an empty one does nothing. It may also
// end the process. INTERNAL, with the module in an unknown state, if LLVM issued an error with
// which `opt` would have exited.
//
// Whether the module changed is not asked of the passes: some report a change that they did not
// make, and some (argpromotion, irce, called-value-propagation) make one that they do not report.
absl::Status RunPipeline(absl::string_view text, llvm::Module& module);

// Calls `run`, which has LLVM work in `context`. INTERNAL with the first error that LLVM issued
// meanwhile, of those with which its own tools would have exited; `what` says what it did.
absl::Status CatchErrors(llvm::LLVMContext& context, absl::string_view what,
                         llvm::function_ref<void()> run);

// INVALID_ARGUMENT with LLVM's message if `text` is not a pipeline. (One that parses may still be
// fatal when it runs: `sroa,licm` is.)
absl::Status ParsePipeline(absl::string_view text);

// OK, or INTERNAL with the first of what LLVM's verifier says about `module`.
absl::Status VerifyModule(const llvm::Module& module);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_PASS_RUNNER_H_
