#include "worker/llvm/program.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "worker/llvm/module_bitcode.h"
#include "worker/llvm/module_loader.h"

namespace holdfast::llvm_session {

Program::Program(std::string original, BenchmarkCommands commands, const SessionContext& context)
    : client_files_directory_(context.client_files_directory),
      commands_(std::move(commands)),
      baselines_(std::move(original), &commands_, context.scratch_directory),
      build_(&commands_, absl::StrCat(context.scratch_directory, "/build")) {}

absl::StatusOr<std::unique_ptr<Program>> Program::Load(absl::string_view contents,
                                                       BenchmarkCommands commands,
                                                       const SessionContext& context) {
  const absl::StatusOr<std::string> original = ToBitcodeOrIr(contents, context.scratch_directory);
  if (!original.ok()) return original.status();
  std::unique_ptr<Program> program(new Program(*original, std::move(commands), context));
  absl::StatusOr<std::unique_ptr<llvm::Module>> module = LoadModule(*original, program->context_);
  if (!module.ok()) return module.status();
  program->module_ = *std::move(module);
  return program;
}

absl::StatusOr<std::unique_ptr<Program>> Program::Restore(const LlvmSnapshot& snapshot,
                                                          absl::string_view contents,
                                                          BenchmarkCommands commands,
                                                          const SessionContext& context) {
  std::unique_ptr<Program> program(
      new Program(std::string(contents), std::move(commands), context));
  absl::StatusOr<std::unique_ptr<llvm::Module>> module =
      ReadModule(snapshot.bitcode(), program->context_);
  if (!module.ok()) return module.status();
  program->module_ = *std::move(module);
  program->baselines_.Restore(snapshot.baseline());
  program->parameters_.Restore(snapshot.parameter());
  return program;
}

void Program::Save(LlvmSnapshot* snapshot) const {
  WriteModule(*module_, snapshot->mutable_bitcode());
  baselines_.Save(snapshot->mutable_baseline());
  parameters_.Save(snapshot->mutable_parameter());
}

}  // namespace holdfast::llvm_session
