// The program that a session compiles: its module, what is known of the original, and what its
// benchmark's commands make of it.
#ifndef HOLDFAST_WORKER_LLVM_PROGRAM_H_
#define HOLDFAST_WORKER_LLVM_PROGRAM_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "worker/compilation_session.h"
#include "worker/llvm/baselines.h"
#include "worker/llvm/benchmark_commands.h"
#include "worker/llvm/built_program.h"
#include "worker/llvm/llvm_snapshot.pb.h"
#include "worker/llvm/session_parameters.h"

namespace holdfast::llvm_session {

class Program {
 public:
  // Loads a benchmark; see module_loader.h for what its contents may be.
  static absl::StatusOr<std::unique_ptr<Program>> Load(absl::string_view contents,
                                                       BenchmarkCommands commands,
                                                       const SessionContext& context);
  // The program that Save() wrote, of the same benchmark. Its contents are not compiled before a
  // baseline is asked for. INVALID_ARGUMENT if the bitcode cannot be read.
  static absl::StatusOr<std::unique_ptr<Program>> Restore(const LlvmSnapshot& snapshot,
                                                          absl::string_view contents,
                                                          BenchmarkCommands commands,
                                                          const SessionContext& context);
  // Writes the module, the baselines that are known, and the parameters.
  void Save(LlvmSnapshot* snapshot) const;

  llvm::Module& module() { return *module_; }
  // Of the program as it was loaded.
  Baselines& baselines() { return baselines_; }
  // Of the module as it was when the build was last asked for something.
  BuiltProgram& build() { return build_; }
  // Where files go that the client is told of; see SessionContext.
  const std::string& client_files_directory() const { return client_files_directory_; }
  // Whether anything was done to the module since it was loaded, in this process or before.
  bool is_changed() const { return is_changed_; }
  void set_is_changed() { is_changed_ = true; }
  // How it is measured.
  SessionParameters& parameters() { return parameters_; }

 private:
  Program(std::string original, BenchmarkCommands commands, const SessionContext& context);

  const std::string client_files_directory_;
  const BenchmarkCommands commands_;
  llvm::LLVMContext context_;
  std::unique_ptr<llvm::Module> module_;
  Baselines baselines_;
  BuiltProgram build_;
  bool is_changed_ = false;
  SessionParameters parameters_;
};

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_PROGRAM_H_
