// The programs in programs/, as part of the binary. The table is made by the build.
#ifndef HOLDFAST_WORKER_LLVM_BENCHMARKS_EMBEDDED_PROGRAMS_H_
#define HOLDFAST_WORKER_LLVM_BENCHMARKS_EMBEDDED_PROGRAMS_H_

#include "absl/types/span.h"

namespace holdfast::llvm_session {

struct EmbeddedProgram {
  const char* name;
  const char* source;  // C.
  const char* output;  // What it prints, when it is right.
};

// Sorted by name.
absl::Span<const EmbeddedProgram> EmbeddedPrograms();

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_BENCHMARKS_EMBEDDED_PROGRAMS_H_
