// LLVM's process-wide set-up, and the target that a module is compiled for.
#ifndef HOLDFAST_WORKER_LLVM_TARGET_H_
#define HOLDFAST_WORKER_LLVM_TARGET_H_

#include <memory>

#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"

namespace holdfast::llvm_session {

// Registers the X86 target and the handler of fatal errors, which writes LLVM's last words to
// stderr before the process ends. Idempotent; everything else here needs it first.
void InitializeLlvm();

// The target machine for the module's triple, set up as `opt` does; null if the module names no
// triple, or one that is not X86. Passes that ask the target then use LLVM's generic answers. Costs
// 10 us, so a fresh one for each use is affordable.
std::unique_ptr<llvm::TargetMachine> MakeTargetMachine(const llvm::Module& module);

// The same, set up for compiling to object files as clang does at -O0.
std::unique_ptr<llvm::TargetMachine> MakeCodeGenerator(const llvm::Module& module);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_TARGET_H_
