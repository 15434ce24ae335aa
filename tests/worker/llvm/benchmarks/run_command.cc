#include "tests/worker/llvm/benchmarks/run_command.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "worker/subprocess/subprocess.h"

namespace holdfast::llvm_session {
namespace {

constexpr char kBitcodeFile[] = "out.bc";

absl::Status CheckFiles(const google::protobuf::RepeatedPtrField<std::string>& files,
                        const std::string& directory) {
  for (const std::string& file : files) {
    if (!std::filesystem::exists(absl::StrCat(directory, "/", file))) {
      return absl::FailedPreconditionError(absl::StrCat(file, " is not there"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunCommand(const compiler_gym::Command& command, const std::string& directory) {
  if (absl::Status status = CheckFiles(command.infile(), directory); !status.ok()) return status;
  SubprocessOptions options;
  options.arguments = {"/bin/sh", "-c", absl::StrJoin(command.argument(), " ")};
  options.directory = directory;
  options.environment = {absl::StrCat("PATH=", getenv("PATH")), "CC=" HOLDFAST_CLANG,
                         absl::StrCat("IN=", kBitcodeFile)};
  for (const auto& [name, value] : command.env()) {
    options.environment.push_back(absl::StrCat(name, "=", value));
  }
  options.limit = absl::Seconds(command.timeout_seconds());
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(options);
  if (!result.ok()) return result.status();
  if (!result->succeeded()) {
    return absl::InternalError(absl::StrCat(result->Describe(), ": ", result->output));
  }
  return CheckFiles(command.outfile(), directory);
}

absl::Status BuildAndRun(const compiler_gym::BenchmarkDynamicConfig& config,
                         absl::string_view bitcode, const std::string& directory) {
  std::ofstream(absl::StrCat(directory, "/", kBitcodeFile), std::ios::binary) << bitcode;
  absl::Status status = RunCommand(config.build_cmd(), directory);
  if (status.ok()) status = RunCommand(config.run_cmd(), directory);
  for (const compiler_gym::Command& command : config.post_run_cmd()) {
    if (status.ok()) status = RunCommand(command, directory);
  }
  return status;
}

}  // namespace holdfast::llvm_session
