// Loop metadata: how a pass is told what to do with a loop, where no option of LLVM says it.
#ifndef HOLDFAST_WORKER_LLVM_LOOP_HINTS_H_
#define HOLDFAST_WORKER_LLVM_LOOP_HINTS_H_

#include "llvm/IR/Module.h"
#include "worker/llvm/pass_tables.h"

namespace holdfast::llvm_session {

// Tells every loop of the module to be unrolled or vectorised so many times. That takes the place
// of all that its metadata said of the same: earlier numbers, LLVM's marks that it has been done,
// and that it must not be. What metadata says of other things stays.
void HintLoops(const LoopHint& hint, llvm::Module& module);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_LOOP_HINTS_H_
