// A digest of a module's meaning, cheaper than writing its bitcode.
#ifndef HOLDFAST_WORKER_LLVM_MODULE_DIGEST_H_
#define HOLDFAST_WORKER_LLVM_MODULE_DIGEST_H_

#include <string>

#include "llvm/IR/Module.h"

namespace holdfast::llvm_session {

// 16 bytes that depend on all that the module's bitcode holds: globals, functions, instructions
// with flags and operands, types, attributes, constants and metadata. The same in every process.
//
// It does not see the order of use lists, which may steer later passes, except that of a block's
// predecessors, which text shows. Like bitcode without names, it does not see those of local
// values. It is no cryptographic hash.
std::string ModuleDigest(const llvm::Module& module);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_MODULE_DIGEST_H_
