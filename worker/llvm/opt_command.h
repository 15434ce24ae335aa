// What a session did, as a shell's command line: the same without Holdfast.
#ifndef HOLDFAST_WORKER_LLVM_OPT_COMMAND_H_
#define HOLDFAST_WORKER_LLVM_OPT_COMMAND_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "llvm/IR/Module.h"
#include "worker/llvm/pass_tables.h"

namespace holdfast::llvm_session {

// Calls of opt-19, one for each pass that does something: they read `program.bc` and write `1.bc`,
// `2.bc`, and so on. No other text comes before the name `program.bc`. `module` is the session's;
// only its target counts. UNIMPLEMENTED if opt cannot do a pass; RESOURCE_EXHAUSTED if the command
// would have more than 1 MiB.
absl::StatusOr<std::string> OptCommand(absl::Span<const Pass> passes, const llvm::Module& module);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_OPT_COMMAND_H_
