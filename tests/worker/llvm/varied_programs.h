// Modules that differ in what their text holds.
#ifndef HOLDFAST_TESTS_WORKER_LLVM_VARIED_PROGRAMS_H_
#define HOLDFAST_TESTS_WORKER_LLVM_VARIED_PROGRAMS_H_

#include <memory>
#include <string>
#include <vector>

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

namespace holdfast::llvm_session {

struct VariedProgram {
  std::string name;
  std::unique_ptr<llvm::LLVMContext> context = std::make_unique<llvm::LLVMContext>();
  std::unique_ptr<llvm::Module> module;
};

// The demo's programs, one of csmith, some of llvm-stress, C++ with exceptions, and all of these
// after optimisation; then some whose structs have no names.
std::vector<VariedProgram> VariedPrograms();

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_TESTS_WORKER_LLVM_VARIED_PROGRAMS_H_
