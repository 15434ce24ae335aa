// LLVM's own tools, and generators of programs: what the session is compared with.
#ifndef HOLDFAST_TESTS_WORKER_LLVM_LLVM_TOOLS_H_
#define HOLDFAST_TESTS_WORKER_LLVM_LLVM_TOOLS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace holdfast::llvm_session {

// Each runs one program, in a directory of its own, for a minute at most. INTERNAL, with the
// program's last words, if it fails however; DEADLINE_EXCEEDED if it takes longer.

// The bitcode that `opt-19 -discard-value-names -passes=PIPELINE` makes of bitcode.
absl::StatusOr<std::string> RunOpt(absl::string_view pipeline, absl::string_view bitcode);

// The text of bitcode, as llvm-dis-19 prints it.
absl::StatusOr<std::string> Disassemble(absl::string_view bitcode);

// The column `text` of `size` for the object file that `clang-19 -xir -c` makes of bitcode.
absl::StatusOr<int64_t> ObjectTextSizeByTools(absl::string_view bitcode);

// A C program by csmith, with so many functions at most, as bitcode that is not optimised.
absl::StatusOr<std::string> CsmithProgram(uint32_t seed, int max_functions);

// Text IR of about so many instructions in one function, by llvm-stress-19. Has no triple.
absl::StatusOr<std::string> StressProgram(uint32_t seed, int instructions);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_TESTS_WORKER_LLVM_LLVM_TOOLS_H_
