// Compiles C and C++ to bitcode, with clang in a process of its own.
#ifndef HOLDFAST_WORKER_LLVM_SOURCE_COMPILER_H_
#define HOLDFAST_WORKER_LLVM_SOURCE_COMPILER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace holdfast::llvm_session {

// Bitcode of the program `source`, not optimised but fit for optimising. What its first lines look
// like decides whether it is taken for C or for C++; what does not compile as the one is tried as
// the other. `flags` go to clang, too, as "-I/usr/include/csmith". Keeps its files in
// `scratch_directory`, which must exist. The same source always gives the same bitcode: __DATE__
// and __FILE__ are fixed. INVALID_ARGUMENT with clang's first messages (1 KiB) if it does not
// compile, or not within a minute.
absl::StatusOr<std::string> CompileSource(absl::string_view source,
                                          const std::string& scratch_directory,
                                          const std::vector<std::string>& flags = {});

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_SOURCE_COMPILER_H_
