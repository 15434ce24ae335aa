// A module as bitcode and back, without loss: what snapshots rest on.
#ifndef HOLDFAST_WORKER_LLVM_MODULE_BITCODE_H_
#define HOLDFAST_WORKER_LLVM_MODULE_BITCODE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

namespace holdfast::llvm_session {

// Drops what a module gathers in memory beside what bitcode holds, and what may steer later passes:
//  - the counter behind names such as `f.1`, which begins anew;
//  - constants that nobody uses any more, but that still count as uses of globals;
//  - attributes of intrinsics other than LLVM's own, which LLVM resets whenever it reads bitcode;
//  - `align 4294967296`, as an attribute, which the reader does not see (attributor makes it).
// Done before and after each action: then a module that was written and read goes on exactly like
// the one that was not, and like one between two runs of `opt`. Takes less than a digest.
//
// Also makes known the kind of metadata that irce makes known whenever it runs: bitcode lists the
// kinds that are known, used or not, and a pass that did nothing must not change it.
void KeepWhatBitcodeHolds(llvm::Module& module);

// Bitcode with the order of use lists, which steers passes. Appends to `bitcode`.
void WriteModule(const llvm::Module& module, std::string* bitcode);

// Writes bitcode to a file, without the order of use lists, as other tools like to read it.
absl::Status WriteBitcodeFile(const llvm::Module& module, const std::string& path);

// Ends LLVM's warnings of what it reads, which go to stderr otherwise: nobody reads them.
void SilenceWarnings(llvm::LLVMContext& context);

// Reads bitcode into `context`, which forgets the names of local values. INVALID_ARGUMENT if it is
// none. Unlike LoadModule (module_loader.h), changes nothing in the module and does not verify it.
absl::StatusOr<std::unique_ptr<llvm::Module>> ReadModule(absl::string_view bitcode,
                                                         llvm::LLVMContext& context);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_MODULE_BITCODE_H_
