// The size of the code that a module compiles to.
#ifndef HOLDFAST_WORKER_LLVM_OBJECT_SIZE_H_
#define HOLDFAST_WORKER_LLVM_OBJECT_SIZE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "llvm/IR/Module.h"

namespace holdfast::llvm_session {

// Bytes of what `size` calls text (in its Berkeley format) in the object file, program or library
// at `path`: all sections that are loaded and not writable, as .text, .rodata and .eh_frame.
// INVALID_ARGUMENT if the file is no such ELF file.
absl::StatusOr<int64_t> TextSizeOfFile(const std::string& path);

// The same of the object file that `clang -xir -c` makes of `module`. It is compiled in a forked
// child, within a minute: the module stays as it is, and a crash is INTERNAL. INVALID_ARGUMENT if
// the module has no triple of X86.
absl::StatusOr<int64_t> ObjectTextSize(llvm::Module& module);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_OBJECT_SIZE_H_
