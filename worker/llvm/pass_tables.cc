// The spaces `loop` and `pipeline`, LLVM's optimisation levels, and the list of all spaces.
#include "worker/llvm/pass_tables.h"

namespace holdfast::llvm_session {
namespace {

using Kind = LoopHint::Kind;

// As clang leaves loops, with variables in memory and the exit at the top, none can be vectorised.
constexpr absl::string_view kUnroll = "function(sroa,loop(loop-rotate),loop-unroll)";
constexpr absl::string_view kVectorize = "function(sroa,loop(loop-rotate),loop-vectorize)";

constexpr Pass kLoopPasses[] = {
    {"unroll-2", kUnroll, Quirk::kNone, {Kind::kUnrollCount, 2}},
    {"unroll-4", kUnroll, Quirk::kNone, {Kind::kUnrollCount, 4}},
    {"unroll-8", kUnroll, Quirk::kNone, {Kind::kUnrollCount, 8}},
    {"unroll-16", kUnroll, Quirk::kNone, {Kind::kUnrollCount, 16}},
    {"unroll-32", kUnroll, Quirk::kNone, {Kind::kUnrollCount, 32}},
    {"vectorize-2", kVectorize, Quirk::kNone, {Kind::kVectorizeWidth, 2}},
    {"vectorize-4", kVectorize, Quirk::kNone, {Kind::kVectorizeWidth, 4}},
    {"vectorize-8", kVectorize, Quirk::kNone, {Kind::kVectorizeWidth, 8}},
    {"vectorize-16", kVectorize, Quirk::kNone, {Kind::kVectorizeWidth, 16}},
    {"vectorize-32", kVectorize, Quirk::kNone, {Kind::kVectorizeWidth, 32}},
};

constexpr Pass kBaselinePasses[] = {
    {"-O0", "default<O0>"}, {"-O1", "default<O1>"}, {"-O2", "default<O2>"},
    {"-O3", "default<O3>"}, {"-Os", "default<Os>"}, {"-Oz", "default<Oz>"},
};

}  // namespace

absl::Span<const Pass> LoopPasses() { return kLoopPasses; }

absl::Span<const Pass> BaselinePasses() { return kBaselinePasses; }

absl::Span<const PassSpace> PassSpaces() {
  // CompilerGym's client supports only the space at index 0 fully, so its own comes first.
  static const auto* const kSpaces = new std::vector<PassSpace>{{"PassesAll", CompilerGymPasses()},
                                                                {"passes", ModernPasses()},
                                                                {"unsafe", UnsafePasses()},
                                                                {"loop", LoopPasses()},
                                                                {"pipeline", {}}};
  return *kSpaces;
}

Pass PipelinePass(absl::string_view pipeline) { return {pipeline, pipeline, Quirk::kShufflesUses}; }

}  // namespace holdfast::llvm_session
