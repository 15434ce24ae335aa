// Compiles C to bitcode, with clang in a process of its own.
#ifndef HOLDFAST_WORKER_LLVM_C_COMPILER_H_
#define HOLDFAST_WORKER_LLVM_C_COMPILER_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace holdfast::llvm_session {

// Bitcode of the C program `source`, not optimised but fit for optimising. Keeps its files in
// `scratch_directory`, which must exist. The same source always gives the same bitcode: __DATE__
// and __FILE__ are fixed. INVALID_ARGUMENT with clang's first messages if it does not compile.
absl::StatusOr<std::string> CompileC(absl::string_view source,
                                     const std::string& scratch_directory);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_C_COMPILER_H_
