// The commands with which a benchmark builds and runs its program.
#ifndef HOLDFAST_WORKER_LLVM_BENCHMARK_COMMANDS_H_
#define HOLDFAST_WORKER_LLVM_BENCHMARK_COMMANDS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/compiler_gym_service.pb.h"

namespace holdfast::llvm_session {

// A command is a line for /bin/sh, its arguments joined by spaces, that runs in a given directory
// with a process group of its own. It sees PATH, its own `env`, TMPDIR (the directory) and
// LC_ALL=C. Before it, its infiles must be there, and after it its outfiles; relative paths are
// below the directory. It may take `timeout_seconds`, or a minute if that is 0.
//
// INVALID_ARGUMENT if a file is missing or a command fails (with the first 1 KiB of its output),
// DEADLINE_EXCEEDED if it takes too long.
class BenchmarkCommands {
 public:
  // What the build command is given as $IN: a bitcode file in its directory.
  static constexpr char kInput[] = "out.bc";

  // None.
  BenchmarkCommands() = default;
  // INVALID_ARGUMENT if a time limit is negative.
  static absl::StatusOr<BenchmarkCommands> Create(compiler_gym::BenchmarkDynamicConfig config);

  bool is_buildable() const { return config_.build_cmd().argument_size() > 0; }
  bool is_runnable() const { return is_buildable() && config_.run_cmd().argument_size() > 0; }

  // The path of the one outfile of the build command. INVALID_ARGUMENT if it has none, or more.
  absl::StatusOr<std::string> Program(const std::string& directory) const;

  // Each returns the wall time that the command took. The build commands see the compiler as $CC.
  absl::StatusOr<absl::Duration> Build(const std::string& directory) const;
  absl::StatusOr<absl::Duration> Run(const std::string& directory) const;

  // The build command with -c. Returns the path of the object file: the command's outfile, or what
  // clang calls it by itself.
  absl::StatusOr<std::string> BuildObject(const std::string& directory) const;

  // All that is to be done before the program is run, once or many times, and after it.
  absl::Status BeforeRuns(const std::string& directory) const;
  absl::Status AfterRuns(const std::string& directory) const;

 private:
  explicit BenchmarkCommands(compiler_gym::BenchmarkDynamicConfig config)
      : config_(std::move(config)) {}

  compiler_gym::BenchmarkDynamicConfig config_;
};

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_BENCHMARK_COMMANDS_H_
