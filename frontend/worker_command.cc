#include "frontend/worker_command.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/roles.h"

namespace holdfast {
namespace {

// What a worker may see of our environment. TMPDIR and HOME are set for each to its scratch
// directory. The last ones serve sanitizers.
constexpr const char* kPassedOn[] = {"PATH",         "LANG",         "LC_ALL",
                                     "TZ",           "ASAN_OPTIONS", "LSAN_OPTIONS",
                                     "TSAN_OPTIONS", "UBSAN_OPTIONS"};

}  // namespace

absl::StatusOr<UniqueFd> OpenWorkerBinary(const Options& options, bool is_worker) {
  const std::string path = options.worker.empty() ? "/proc/self/exe" : options.worker;
  if (options.worker.empty() && !is_worker) {
    return absl::InvalidArgumentError("--worker is empty, must name a worker binary");
  }
  UniqueFd binary(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!binary) {
    return absl::InvalidArgumentError(
        absl::StrCat("--worker: cannot open ", path, ": ", std::strerror(errno)));
  }
  struct stat info;
  if (fstat(binary.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      access(path.c_str(), X_OK) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("--worker: ", path, " is no executable file"));
  }
  return binary;
}

WorkerCommand MakeWorkerCommand(const Options& options, const std::string& program, int binary,
                                const std::string& scratch_root) {
  WorkerCommand command;
  command.binary = binary;
  command.scratch_root = scratch_root;
  command.limits.process.memory_bytes = options.worker_memory_limit_bytes;
  command.limits.process.file_bytes = options.worker_file_limit_bytes;
  command.limits.process.processes = options.worker_process_limit;
  command.limits.call_cpu = options.step_cpu_limit;
  command.arguments = {options.worker.empty() ? program : options.worker, kWorkerRoleArgument};
  if (options.allow_benchmark_commands) {
    command.arguments.emplace_back("--worker_allow_benchmark_commands");
  }
  command.arguments.insert(command.arguments.end(), options.worker_flags.begin(),
                           options.worker_flags.end());
  for (const char* name : kPassedOn) {
    const char* value = getenv(name);
    if (value != nullptr) command.environment.push_back(absl::StrCat(name, "=", value));
  }
  return command;
}

}  // namespace holdfast
