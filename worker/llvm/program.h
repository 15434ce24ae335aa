// The program that a session compiles: its module, and what is known of the original.
#ifndef HOLDFAST_WORKER_LLVM_PROGRAM_H_
#define HOLDFAST_WORKER_LLVM_PROGRAM_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "worker/llvm/llvm_snapshot.pb.h"

namespace holdfast::llvm_session {

class Program {
 public:
  // Loads a benchmark; see module_loader.h for what it may be.
  static absl::StatusOr<std::unique_ptr<Program>> Load(absl::string_view contents,
                                                       const std::string& scratch_directory);
  // The program that Save() wrote. `contents` is the benchmark's, which is not compiled before a
  // baseline is asked for. INVALID_ARGUMENT if the bitcode cannot be read.
  static absl::StatusOr<std::unique_ptr<Program>> Restore(const LlvmSnapshot& snapshot,
                                                          absl::string_view contents,
                                                          const std::string& scratch_directory);
  // Writes the module and the baselines that are known.
  void Save(LlvmSnapshot* snapshot) const;

  llvm::Module& module() { return *module_; }

  // Instructions of the program as it was loaded, after the pipeline `default<LEVEL>`, LEVEL as in
  // "Oz". Computed when first asked for, in a child process with a time limit of its own, and kept,
  // a failure too.
  absl::StatusOr<int64_t> BaselineInstructionCount(absl::string_view level);

 private:
  explicit Program(std::string scratch_directory)
      : scratch_directory_(std::move(scratch_directory)) {}

  absl::StatusOr<int64_t> ComputeBaseline(absl::string_view level);
  absl::StatusOr<std::string> CountAfter(absl::string_view level) const;

  const std::string scratch_directory_;
  std::string original_;  // Bitcode or text IR; the benchmark's C in a restored program.
  llvm::LLVMContext context_;
  std::unique_ptr<llvm::Module> module_;
  std::map<std::string, absl::StatusOr<int64_t>, std::less<>> baselines_;
};

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_PROGRAM_H_
