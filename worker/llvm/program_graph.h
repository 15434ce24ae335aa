// A module as a graph of what it does, after ProGraML (Cummins et al., 2021).
#ifndef HOLDFAST_WORKER_LLVM_PROGRAM_GRAPH_H_
#define HOLDFAST_WORKER_LLVM_PROGRAM_GRAPH_H_

#include <string>

#include "absl/status/statusor.h"
#include "llvm/IR/Module.h"

namespace holdfast::llvm_session {

// The graph as JSON, in networkx's node-link form. README.md says what is in it. The same for equal
// modules. Does not change the module.
absl::StatusOr<std::string> ProgramGraphJson(const llvm::Module& module);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_PROGRAM_GRAPH_H_
