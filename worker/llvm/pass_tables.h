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
  // later passes, or may have such a pass in it: they are sorted after each (use_lists.h).
  kShufflesUses,
};

// What every loop of the module is told, as metadata, before the pipeline runs (loop_hints.h).
struct LoopHint {
  enum class Kind { kNone, kUnrollCount, kVectorizeWidth };
  Kind kind = Kind::kNone;
  int number = 0;  // The count, or the width.
};

struct Pass {
  absl::string_view name;
  // Text for llvm::PassBuilder::parsePassPipeline; empty: an action that does nothing.
  absl::string_view pipeline;
  Quirk quirk = Quirk::kNone;
  LoopHint hint = {};
};

// A list of actions. Its order is part of the API: agents name an action by its index.
struct PassSpace {
  absl::string_view name;
  // Empty: an action is itself the text of a pipeline.
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

// Unroll counts, then vector widths, 2 to 32 each.
absl::Span<const Pass> LoopPasses();

// LLVM's optimisation levels, -O0 to -Oz: no action space, but values of a parameter.
absl::Span<const Pass> BaselinePasses();

// The five spaces, in the order in which the session offers them.
absl::Span<const PassSpace> PassSpaces();

// Text that a client sent, as a pass: any pass may be in it. Refers to `pipeline`.
Pass PipelinePass(absl::string_view pipeline);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_PASS_TABLES_H_
