// Turns the bytes of a benchmark into an LLVM module.
#ifndef HOLDFAST_WORKER_LLVM_MODULE_LOADER_H_
#define HOLDFAST_WORKER_LLVM_MODULE_LOADER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

namespace holdfast::llvm_session {

enum class SourceKind { kBitcode, kTextIr, kSource };

// Tells the kinds apart by their first bytes:
//  - bitcode has a magic number; anything else with a NUL byte is taken for broken bitcode;
//  - text IR begins, after blank lines, with a `;` comment, with a name of IR's own (`@ % ! $ ^`),
//    or with `source_filename =`, `target triple`, `target datalayout`, `module asm`,
//    `attributes #`, `define`, `declare` or `uselistorder`;
//  - everything else is source, C or C++.
// So broken IR is reported as IR as long as it begins like IR.
SourceKind SniffSourceKind(absl::string_view contents);

// Loads bitcode or text IR, in a form that no longer tells where it came from: named `-`, without
// debug info, names of local values and named metadata other than module flags. Verifies it.
// INVALID_ARGUMENT if it is no valid module.
absl::StatusOr<std::unique_ptr<llvm::Module>> LoadModule(absl::string_view contents,
                                                         llvm::LLVMContext& context);

// What a session keeps of a benchmark: bitcode or text IR, ready for LoadModule. Compiles source,
// with files in `scratch_directory`. INVALID_ARGUMENT if `contents` is empty or does not compile.
absl::StatusOr<std::string> ToBitcodeOrIr(absl::string_view contents,
                                          const std::string& scratch_directory);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_MODULE_LOADER_H_
