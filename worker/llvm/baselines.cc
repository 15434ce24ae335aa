#include "worker/llvm/baselines.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/MemoryBuffer.h"
#include "worker/llvm/built_program.h"
#include "worker/llvm/compute_in_child.h"
#include "worker/llvm/module_bitcode.h"
#include "worker/llvm/module_loader.h"
#include "worker/llvm/pass_runner.h"

namespace holdfast::llvm_session {
namespace {

// sqlite3.c (265,000 instructions) takes 10 s at -O3. Below the step limit of the service, so that
// a slow baseline costs an observation and not the worker.
constexpr absl::Duration kLimit = absl::Seconds(60);

// As the observation is called.
std::string NameOf(Metric metric, absl::string_view level) {
  constexpr absl::string_view kMetrics[] = {"IrInstructionCount", "ObjectTextSize", "TextSize"};
  return absl::StrCat(kMetrics[static_cast<int>(metric)], level);
}

// Runs in the child.
absl::Status OptimiseTo(const std::string& file, absl::string_view level,
                        absl::string_view original) {
  llvm::LLVMContext context;
  absl::StatusOr<std::unique_ptr<llvm::Module>> module = LoadModule(original, context);
  if (!module.ok()) return module.status();
  absl::Status ran = RunPipeline(absl::StrCat("default<", level, ">"), **module);
  if (!ran.ok()) return ran;
  return WriteBitcodeFile(**module, file);
}

}  // namespace

Baselines::Baselines(std::string original, const BenchmarkCommands* commands,
                     std::string scratch_directory)
    : original_(std::move(original)),
      commands_(commands),
      scratch_directory_(std::move(scratch_directory)) {}

std::string Baselines::FileOf(absl::string_view level) const {
  return absl::StrCat(scratch_directory_, "/baseline.", level, ".bc");
}

absl::StatusOr<int64_t> Baselines::Get(Metric metric, absl::string_view level) {
  const std::string name = NameOf(metric, level);
  if (const auto known = values_.find(name); known != values_.end()) return known->second;
  absl::StatusOr<int64_t> value = Compute(metric, level);
  if (!value.ok()) {
    const absl::string_view what =
        metric == Metric::kInstructionCount ? "" : "Failed to compute .text size cost: ";
    return absl::Status(value.status().code(),
                        absl::StrCat(what, "The baseline -", level, ": ",
                                     absl::StripPrefix(value.status().message(), what)));
  }
  values_.emplace(name, *value);
  return value;
}

absl::StatusOr<int64_t> Baselines::Compute(Metric metric, absl::string_view level) {
  if (optimised_.find(level) == optimised_.end()) {
    if (absl::Status done = Optimise(level); !done.ok()) return done;
    optimised_.emplace(level);
  }
  const llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> bitcode =
      llvm::MemoryBuffer::getFile(FileOf(level));
  if (!bitcode) {
    return absl::InternalError(
        absl::StrCat("cannot read ", FileOf(level), ": ", bitcode.getError().message()));
  }
  llvm::LLVMContext context;
  const absl::StatusOr<std::unique_ptr<llvm::Module>> module =
      ReadModule({(*bitcode)->getBufferStart(), (*bitcode)->getBufferSize()}, context);
  if (!module.ok()) return module.status();
  BuiltProgram build(commands_, absl::StrCat(scratch_directory_, "/baseline.build"));
  return Measure(metric, **module, build);
}

absl::Status Baselines::Optimise(absl::string_view level) {
  if (SniffSourceKind(original_) == SourceKind::kSource) {
    absl::StatusOr<std::string> compiled = ToBitcodeOrIr(original_, scratch_directory_);
    if (!compiled.ok()) return compiled.status();
    original_ = *std::move(compiled);
  }
  return ComputeInChild(kLimit,
                        [&]() -> absl::StatusOr<std::string> {
                          absl::Status done = OptimiseTo(FileOf(level), level, original_);
                          if (!done.ok()) return done;
                          return std::string();
                        })
      .status();
}

void Baselines::Save(Values* values) const { values->insert(values_.begin(), values_.end()); }

void Baselines::Restore(const Values& values) { values_.insert(values.begin(), values.end()); }

}  // namespace holdfast::llvm_session
