#include "worker/llvm/built_program.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "worker/llvm/module_bitcode.h"
#include "worker/llvm/module_digest.h"
#include "worker/llvm/object_size.h"

namespace holdfast::llvm_session {
namespace {

namespace fs = std::filesystem;

void Remove(const std::string& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

// Leaves in `directory` the module's bitcode, and nothing else.
absl::Status PrepareBuild(const llvm::Module& module, const std::string& directory) {
  std::error_code error;
  fs::remove_all(directory, error);
  if (!error) fs::create_directory(directory, error);
  if (error) {
    return absl::InternalError(absl::StrCat("cannot empty ", directory, ": ", error.message()));
  }
  return WriteBitcodeFile(module, absl::StrCat(directory, "/", BenchmarkCommands::kInput));
}

}  // namespace

BuiltProgram::BuiltProgram(const BenchmarkCommands* commands, std::string directory)
    : commands_(commands), directory_(std::move(directory)) {}

BuiltProgram::~BuiltProgram() { Remove(directory_); }

absl::Status BuiltProgram::MakeBuilds(const llvm::Module& module, int64_t count) {
  std::string digest = ModuleDigest(module);
  if (digest != digest_) build_times_.clear();
  digest_ = std::move(digest);
  while (static_cast<int64_t>(build_times_.size()) < count) {
    const std::vector<double> until_now = std::exchange(build_times_, {});
    if (absl::Status status = PrepareBuild(module, directory_); !status.ok()) return status;
    const absl::StatusOr<absl::Duration> time = commands_->Build(directory_);
    if (!time.ok()) return time.status();
    build_times_ = until_now;
    build_times_.push_back(absl::ToDoubleSeconds(*time));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> BuiltProgram::BuildTimes(const llvm::Module& module,
                                                             int64_t count) {
  if (absl::Status status = MakeBuilds(module, count); !status.ok()) return status;
  return std::vector<double>(build_times_.begin(), build_times_.begin() + count);
}

absl::StatusOr<std::vector<double>> BuiltProgram::RunIn(const std::string& directory,
                                                        int64_t warmups, int64_t count) const {
  absl::Status status = commands_->BeforeRuns(directory);
  if (!status.ok()) return status;
  std::vector<double> times;
  for (int64_t run = -warmups; run < count && status.ok(); ++run) {
    const absl::StatusOr<absl::Duration> time = commands_->Run(directory);
    status = time.status();
    if (time.ok() && run >= 0) times.push_back(absl::ToDoubleSeconds(*time));
  }
  status.Update(commands_->AfterRuns(directory));
  if (!status.ok()) return status;
  return times;
}

absl::StatusOr<std::vector<double>> BuiltProgram::RunTimes(const llvm::Module& module,
                                                           int64_t warmups, int64_t count) {
  if (absl::Status status = MakeBuilds(module, 1); !status.ok()) return status;
  const std::string copy = absl::StrCat(directory_, ".run");
  std::error_code error;
  fs::remove_all(copy, error);
  if (!error) {
    fs::copy(directory_, copy, fs::copy_options::recursive | fs::copy_options::copy_symlinks,
             error);
  }
  absl::StatusOr<std::vector<double>> times = absl::InternalError(
      absl::StrCat("cannot copy ", directory_, " to ", copy, ": ", error.message()));
  if (!error) times = RunIn(copy, warmups, count);
  Remove(copy);
  return times;
}

absl::StatusOr<int64_t> BuiltProgram::TextSize(const llvm::Module& module) {
  const absl::StatusOr<std::string> program = commands_->Program(directory_);
  if (!program.ok()) return program.status();
  if (absl::Status status = MakeBuilds(module, 1); !status.ok()) return status;
  return TextSizeOfFile(*program);
}

absl::StatusOr<int64_t> BuiltProgram::ObjectTextSize(const llvm::Module& module) const {
  const std::string directory = absl::StrCat(directory_, ".object");
  const auto build_and_measure = [&]() -> absl::StatusOr<int64_t> {
    if (absl::Status status = PrepareBuild(module, directory); !status.ok()) return status;
    const absl::StatusOr<std::string> object = commands_->BuildObject(directory);
    if (!object.ok()) return object.status();
    return TextSizeOfFile(*object);
  };
  absl::StatusOr<int64_t> size = build_and_measure();
  Remove(directory);
  return size;
}

}  // namespace holdfast::llvm_session
