// The order in which a value's uses are listed: part of a module's state that its text does not
// show.
#ifndef HOLDFAST_WORKER_LLVM_USE_LISTS_H_
#define HOLDFAST_WORKER_LLVM_USE_LISTS_H_

#include <string>

#include "llvm/IR/Function.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassInstrumentation.h"

namespace holdfast::llvm_session {

// Sorts the uses of each value in the module by where they are, the last first, as in a module that
// was just read. Passes walk through these lists, so their order decides what a pass does.
void SortUseLists(llvm::Module& module);

// Does so while a pipeline runs: after each pass with Quirk::kShufflesUses, before another may see
// what it left. The module and the callbacks, with which the pipeline is built, outlive it.
class UseListSorter {
 public:
  UseListSorter(llvm::Module& module, llvm::PassInstrumentationCallbacks& callbacks);
  UseListSorter(const UseListSorter&) = delete;
  UseListSorter& operator=(const UseListSorter&) = delete;

  // After the pipeline: sorts if the last pass has left it to do.
  void Finish();

 private:
  llvm::Module& module_;
  // The pass that shuffled lists which are not sorted yet, and the function that it ran on (null:
  // the module). No name: there is none.
  std::string pass_;
  const llvm::Function* function_ = nullptr;
};

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_USE_LISTS_H_
