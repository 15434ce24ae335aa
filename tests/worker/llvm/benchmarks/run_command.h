// Runs the commands of a benchmark as the session does.
#ifndef HOLDFAST_TESTS_WORKER_LLVM_BENCHMARKS_RUN_COMMAND_H_
#define HOLDFAST_TESTS_WORKER_LLVM_BENCHMARKS_RUN_COMMAND_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/compiler_gym_service.pb.h"

namespace holdfast::llvm_session {

// As a shell line, in `directory`. An error, with what it wrote, if it fails, takes too long, or
// its files are not there.
absl::Status RunCommand(const compiler_gym::Command& command, const std::string& directory);

// Builds `bitcode` with the commands of a benchmark, runs it, and runs what follows a run.
absl::Status BuildAndRun(const compiler_gym::BenchmarkDynamicConfig& config,
                         absl::string_view bitcode, const std::string& directory);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_TESTS_WORKER_LLVM_BENCHMARKS_RUN_COMMAND_H_
