#include "worker/llvm/program.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "worker/llvm/compute_in_child.h"
#include "worker/llvm/module_bitcode.h"
#include "worker/llvm/module_loader.h"
#include "worker/llvm/pass_runner.h"

namespace holdfast::llvm_session {
namespace {

// sqlite3.c (265,000 instructions) takes 10 s at -O3. Below the step limit of the service, so that
// a slow baseline costs an observation and not the worker.
constexpr absl::Duration kBaselineLimit = absl::Seconds(60);

}  // namespace

absl::StatusOr<std::unique_ptr<Program>> Program::Load(absl::string_view contents,
                                                       const std::string& scratch_directory) {
  std::unique_ptr<Program> program(new Program(scratch_directory));
  absl::StatusOr<std::string> original = ToBitcodeOrIr(contents, scratch_directory);
  if (!original.ok()) return original.status();
  program->original_ = *std::move(original);
  absl::StatusOr<std::unique_ptr<llvm::Module>> module =
      LoadModule(program->original_, program->context_);
  if (!module.ok()) return module.status();
  program->module_ = *std::move(module);
  return program;
}

absl::StatusOr<std::unique_ptr<Program>> Program::Restore(const LlvmSnapshot& snapshot,
                                                          absl::string_view contents,
                                                          const std::string& scratch_directory) {
  std::unique_ptr<Program> program(new Program(scratch_directory));
  absl::StatusOr<std::unique_ptr<llvm::Module>> module =
      ReadModule(snapshot.bitcode(), program->context_);
  if (!module.ok()) return module.status();
  program->module_ = *std::move(module);
  program->original_ = std::string(contents);
  program->baselines_.insert(snapshot.baseline().begin(), snapshot.baseline().end());
  return program;
}

void Program::Save(LlvmSnapshot* snapshot) const {
  WriteModule(*module_, snapshot->mutable_bitcode());
  for (const auto& [level, count] : baselines_) {
    if (count.ok()) (*snapshot->mutable_baseline())[level] = *count;
  }
}

absl::StatusOr<int64_t> Program::BaselineInstructionCount(absl::string_view level) {
  if (const auto known = baselines_.find(level); known != baselines_.end()) return known->second;
  absl::StatusOr<int64_t> count = ComputeBaseline(level);
  if (!count.ok()) {
    count = absl::Status(count.status().code(),
                         absl::StrCat("The baseline -", level, ": ", count.status().message()));
  }
  baselines_.emplace(level, count);
  return count;
}

absl::StatusOr<int64_t> Program::ComputeBaseline(absl::string_view level) {
  if (SniffSourceKind(original_) == SourceKind::kSource) {
    absl::StatusOr<std::string> compiled = ToBitcodeOrIr(original_, scratch_directory_);
    if (!compiled.ok()) return compiled.status();
    original_ = *std::move(compiled);
  }
  const absl::StatusOr<std::string> text =
      ComputeInChild(kBaselineLimit, [&] { return CountAfter(level); });
  if (!text.ok()) return text.status();
  int64_t count = 0;
  if (!absl::SimpleAtoi(*text, &count)) return absl::InternalError("the count is no number");
  return count;
}

// Runs in the child.
absl::StatusOr<std::string> Program::CountAfter(absl::string_view level) const {
  llvm::LLVMContext context;
  absl::StatusOr<std::unique_ptr<llvm::Module>> module = LoadModule(original_, context);
  if (!module.ok()) return module.status();
  const absl::Status ran = RunPipeline(absl::StrCat("default<", level, ">"), **module);
  if (!ran.ok()) return ran;
  return absl::StrCat((*module)->getInstructionCount());
}

}  // namespace holdfast::llvm_session
