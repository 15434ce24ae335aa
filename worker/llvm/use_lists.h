// The order in which a value's uses are listed: part of a module's state that its text does not
// show.
#ifndef HOLDFAST_WORKER_LLVM_USE_LISTS_H_
#define HOLDFAST_WORKER_LLVM_USE_LISTS_H_

#include "llvm/IR/Module.h"

namespace holdfast::llvm_session {

// Sorts the uses of each value in the module by where they are, the last first, as in a module that
// was just read. Passes walk through these lists, so their order decides what a pass does.
void SortUseLists(llvm::Module& module);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_USE_LISTS_H_
