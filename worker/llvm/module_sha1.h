// A short name for a module's content.
#ifndef HOLDFAST_WORKER_LLVM_MODULE_SHA1_H_
#define HOLDFAST_WORKER_LLVM_MODULE_SHA1_H_

#include <string>

#include "llvm/IR/Module.h"

namespace holdfast::llvm_session {

// 40 hex digits: the hash that LLVM's bitcode writer makes of a module. It covers what bitcode
// holds but for the order of use lists, so equal modules have equal hashes in any process.
std::string ModuleSha1(const llvm::Module& module);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_MODULE_SHA1_H_
