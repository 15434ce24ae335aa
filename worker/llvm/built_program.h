// A module that was built by its benchmark's commands: what can be measured of it.
#ifndef HOLDFAST_WORKER_LLVM_BUILT_PROGRAM_H_
#define HOLDFAST_WORKER_LLVM_BUILT_PROGRAM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "llvm/IR/Module.h"
#include "worker/llvm/benchmark_commands.h"

namespace holdfast::llvm_session {

// Builds when it must: each call gets the module as it is now, and builds it unless it is the one
// that was built last. Errors are those of BenchmarkCommands.
class BuiltProgram {
 public:
  // The program is built in `directory`, which this makes, empties before each build, and removes
  // at the end. `commands` must have a build command when something else than they is asked for.
  BuiltProgram(const BenchmarkCommands* commands, std::string directory);
  ~BuiltProgram();
  BuiltProgram(const BuiltProgram&) = delete;
  BuiltProgram& operator=(const BuiltProgram&) = delete;

  const BenchmarkCommands& commands() const { return *commands_; }

  // Wall times in seconds of `count` builds of the module, at least 1. Those that are known are
  // not made again.
  absl::StatusOr<std::vector<double>> BuildTimes(const llvm::Module& module, int64_t count);

  // Wall times in seconds of `count` runs, after `warmups` others. The commands that belong before
  // and after runs are executed once. All of it happens in a copy of what was built: so no later
  // observation sees what these have done, and none takes longer for it.
  absl::StatusOr<std::vector<double>> RunTimes(const llvm::Module& module, int64_t warmups,
                                               int64_t count);

  // Bytes of text (object_size.h) of the file that the build command makes, and of what it makes
  // with -c.
  absl::StatusOr<int64_t> TextSize(const llvm::Module& module);
  absl::StatusOr<int64_t> ObjectTextSize(const llvm::Module& module) const;

 private:
  absl::Status MakeBuilds(const llvm::Module& module, int64_t count);
  absl::StatusOr<std::vector<double>> RunIn(const std::string& directory, int64_t warmups,
                                            int64_t count) const;

  const BenchmarkCommands* const commands_;
  const std::string directory_;
  // In seconds, of the module of this digest. Unless empty, the directory holds the last.
  std::vector<double> build_times_;
  std::string digest_;
};

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_BUILT_PROGRAM_H_
