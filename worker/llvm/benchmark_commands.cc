#include "worker/llvm/benchmark_commands.h"

#include <stdlib.h>
#include <unistd.h>

#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "worker/subprocess/subprocess.h"

namespace holdfast::llvm_session {
namespace {

using compiler_gym::Command;

constexpr absl::Duration kDefaultLimit = absl::Minutes(1);
constexpr size_t kMaxOutput = 1024;
constexpr size_t kMaxLine = 128 << 10;  // What Linux allows for one argument of a program.
// What clang calls the object file that it makes of kInput.
constexpr absl::string_view kObject = "out.o";

using Environment = std::map<std::string, std::string>;

std::string PathIn(const std::string& directory, absl::string_view file) {
  return absl::StartsWith(file, "/") ? std::string(file) : absl::StrCat(directory, "/", file);
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// Nothing of the service's surroundings but PATH.
Environment EnvironmentOf(const Command& command, const std::string& directory) {
  const char* path = getenv("PATH");
  Environment environment = {
      {"PATH", path != nullptr ? path : "/usr/bin:/bin"}, {"LC_ALL", "C"}, {"TMPDIR", directory}};
  for (const auto& [name, value] : command.env()) environment[name] = value;
  return environment;
}

Environment BuildEnvironment(const Command& command, const std::string& directory) {
  Environment environment = EnvironmentOf(command, directory);
  environment["CC"] = HOLDFAST_CLANG;
  environment["IN"] = PathIn(directory, BenchmarkCommands::kInput);
  return environment;
}

std::string LineOf(const Command& command) { return absl::StrJoin(command.argument(), " "); }

absl::Status CheckCommand(absl::string_view name, const Command& command) {
  const std::string line = LineOf(command);
  if (absl::StrContains(line, '\0')) {
    return absl::InvalidArgumentError(
        absl::StrCat("dynamic_config.", name, ".argument has a NUL byte"));
  }
  if (line.size() >= kMaxLine) {
    return absl::InvalidArgumentError(absl::StrCat("dynamic_config.", name, ".argument has ",
                                                   line.size(), " bytes, must have fewer than ",
                                                   kMaxLine));
  }
  if (command.timeout_seconds() >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("dynamic_config.", name, ".timeout_seconds is ", command.timeout_seconds(),
                   ", must be at least 0 (then it is ", absl::FormatDuration(kDefaultLimit), ")"));
}

absl::Status CheckInfiles(absl::string_view name, const Command& command,
                          const std::string& directory) {
  for (const std::string& file : command.infile()) {
    if (Exists(PathIn(directory, file))) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("File not found: ", file, ", an infile of ", name));
  }
  return absl::OkStatus();
}

absl::Status CheckOutfiles(absl::string_view name, const Command& command,
                           const std::string& directory) {
  for (const std::string& file : command.outfile()) {
    if (Exists(PathIn(directory, file))) continue;
    return absl::InvalidArgumentError(absl::StrCat(name, " did not write its outfile ", file));
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Duration> RunLine(absl::string_view name, const std::string& line,
                                       const Command& command, const Environment& environment,
                                       const std::string& directory) {
  SubprocessOptions shell;
  shell.arguments = {"/bin/sh", "-c", line};
  shell.directory = directory;
  for (const auto& [key, value] : environment) {
    shell.environment.push_back(absl::StrCat(key, "=", value));
  }
  shell.limit =
      command.timeout_seconds() > 0 ? absl::Seconds(command.timeout_seconds()) : kDefaultLimit;
  shell.max_output_bytes = kMaxOutput;
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(shell);
  if (absl::IsDeadlineExceeded(result.status())) {
    return absl::DeadlineExceededError(absl::StrCat(name, ": ", result.status().message()));
  }
  if (!result.ok()) {
    return absl::InternalError(absl::StrCat(name, ": ", result.status().message()));
  }
  if (!result->succeeded()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " ", result->Describe(), ": ", result->output));
  }
  return result->wall_time;
}

// A whole command: files before, the line, files after.
absl::StatusOr<absl::Duration> Execute(absl::string_view name, const Command& command,
                                       const Environment& environment,
                                       const std::string& directory) {
  absl::Status files = CheckInfiles(name, command, directory);
  if (!files.ok()) return files;
  absl::StatusOr<absl::Duration> time =
      RunLine(name, LineOf(command), command, environment, directory);
  if (!time.ok()) return time;
  files = CheckOutfiles(name, command, directory);
  if (!files.ok()) return files;
  return time;
}

template <typename Commands>
absl::Status ExecuteAll(absl::string_view name, const Commands& commands,
                        const std::string& directory) {
  for (const Command& command : commands) {
    const auto time = Execute(name, command, EnvironmentOf(command, directory), directory);
    if (!time.ok()) return time.status();
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BenchmarkCommands> BenchmarkCommands::Create(
    compiler_gym::BenchmarkDynamicConfig config) {
  absl::Status status = CheckCommand("build_cmd", config.build_cmd());
  status.Update(CheckCommand("run_cmd", config.run_cmd()));
  for (const Command& command : config.pre_run_cmd()) {
    status.Update(CheckCommand("pre_run_cmd", command));
  }
  for (const Command& command : config.post_run_cmd()) {
    status.Update(CheckCommand("post_run_cmd", command));
  }
  if (!status.ok()) return status;
  return BenchmarkCommands(std::move(config));
}

absl::StatusOr<std::string> BenchmarkCommands::Program(const std::string& directory) const {
  const Command& command = config_.build_cmd();
  if (command.outfile_size() == 1) return PathIn(directory, command.outfile(0));
  return absl::InvalidArgumentError(absl::StrCat(
      "dynamic_config.build_cmd has ", command.outfile_size(), " outfiles, must have exactly one"));
}

absl::StatusOr<absl::Duration> BenchmarkCommands::Build(const std::string& directory) const {
  const Command& command = config_.build_cmd();
  return Execute("build_cmd", command, BuildEnvironment(command, directory), directory);
}

absl::StatusOr<absl::Duration> BenchmarkCommands::Run(const std::string& directory) const {
  const Command& command = config_.run_cmd();
  return Execute("run_cmd", command, EnvironmentOf(command, directory), directory);
}

absl::StatusOr<std::string> BenchmarkCommands::BuildObject(const std::string& directory) const {
  constexpr absl::string_view kName = "build_cmd with -c";
  const Command& command = config_.build_cmd();
  absl::StatusOr<std::string> named = Program(directory);
  if (!named.ok()) return named;
  absl::Status infiles = CheckInfiles(kName, command, directory);
  if (!infiles.ok()) return infiles;
  const auto time = RunLine(kName, absl::StrCat(LineOf(command), " -c"), command,
                            BuildEnvironment(command, directory), directory);
  if (!time.ok()) return time.status();
  return Exists(*named) ? named : PathIn(directory, kObject);
}

absl::Status BenchmarkCommands::BeforeRuns(const std::string& directory) const {
  return ExecuteAll("pre_run_cmd", config_.pre_run_cmd(), directory);
}

absl::Status BenchmarkCommands::AfterRuns(const std::string& directory) const {
  return ExecuteAll("post_run_cmd", config_.post_run_cmd(), directory);
}

}  // namespace holdfast::llvm_session
