// The action spaces of the LLVM session, as tables: the name a client sees and what LLVM runs.
#ifndef HOLDFAST_WORKER_LLVM_PASS_TABLES_H_
#define HOLDFAST_WORKER_LLVM_PASS_TABLES_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace holdfast::llvm_session {

enum class Quirk {
  kNone,
  // Dereferences the target machine: does nothing if the module has none.
  kNeedsTarget,
  // Leaves use lists in the order of addresses, which differs from process to process and steers
  // later passes: they are sorted after it.
  kShufflesUses,
};

struct Pass {
  absl::string_view name;
  // Text for llvm::PassBuilder::parsePassPipeline; empty: an action that does nothing.
  absl::string_view pipeline;
  Quirk quirk = Quirk::kNone;
};

// A list of actions. Its order is part of the API: agents name an action by its index.
struct PassSpace {
  absl::string_view name;
  absl::Span<const Pass> passes;
};

// CompilerGym's 124 actions, in its order, each mapped to LLVM 19's equivalent.
absl::Span<const Pass> CompilerGymPasses();

// LLVM 19's own optimisation passes, one action each, sorted by name. Leaves out what needs files,
// sanitizers, what can empty a program (internalize), and passes that are known to crash, to
// miscompile or to be nondeterministic.
absl::Span<const Pass> ModernPasses();

// ModernPasses(), at the same indices, followed by everything else that can run: known crashers,
// sanitizers, code generation helpers and LLVM's own crash hooks.
absl::Span<const Pass> UnsafePasses();

// The three spaces, in the order in which the session offers them.
absl::Span<const PassSpace> PassSpaces();

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_PASS_TABLES_H_
