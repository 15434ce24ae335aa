#include "frontend/benchmarks/benchmark_loader.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/unique_fd.h"

namespace holdfast {
namespace {

constexpr absl::string_view kFileScheme = "file://";

bool IsBelow(absl::string_view path, absl::string_view root) {
  return absl::StartsWith(path, root) &&
         (path.size() == root.size() || absl::EndsWith(root, "/") || path[root.size()] == '/');
}

// `path_fd`: from open(O_PATH), because a name could mean something else by now.
absl::StatusOr<std::string> ReadAll(int path_fd, int64_t max_bytes, int64_t bytes_left) {
  struct stat info;
  if (fstat(path_fd, &info) != 0) return absl::InvalidArgumentError(std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError("not a regular file");
  const UniqueFd file(open(absl::StrCat("/proc/self/fd/", path_fd).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return absl::InvalidArgumentError(std::strerror(errno));
  if (info.st_size > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("its ", info.st_size, " bytes are more than ",
                                                   max_bytes, " (--max_message_bytes)"));
  }
  if (info.st_size > bytes_left) {
    return absl::ResourceExhaustedError(absl::StrCat("its ", info.st_size,
                                                     " bytes are more than the ", bytes_left,
                                                     " left of --max_record_bytes"));
  }
  std::string contents(info.st_size, '\0');
  size_t size = 0;
  while (size < contents.size()) {
    const ssize_t count = read(file.get(), &contents[size], contents.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::InvalidArgumentError(std::strerror(errno));
    if (count == 0) break;  // It has become shorter.
    size += count;
  }
  contents.resize(size);
  return contents;
}

}  // namespace

absl::Status BenchmarkLoader::Check(absl::string_view field,
                                    const compiler_gym::Benchmark& benchmark) const {
  if (benchmark.uri().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(field, ".uri is missing"));
  }
  if (benchmark.uri().size() > kMaxUriBytes) {
    return absl::InvalidArgumentError(absl::StrCat(field, ".uri has ", benchmark.uri().size(),
                                                   " bytes, must have at most ", kMaxUriBytes));
  }
  const auto& program = benchmark.program();
  if (!program.has_contents() && !program.has_uri()) {
    return absl::InvalidArgumentError(absl::StrCat(
        field, ".program of ", benchmark.uri(), " is missing: set its contents, or a file:// uri"));
  }
  if (program.has_uri() && !absl::StartsWith(program.uri(), kFileScheme)) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ".program.uri is ", program.uri(), ", must begin with ", kFileScheme));
  }
  const auto& config = benchmark.dynamic_config();
  if (!options_.allow_commands &&
      (config.build_cmd().argument_size() > 0 || config.run_cmd().argument_size() > 0 ||
       config.pre_run_cmd_size() > 0 || config.post_run_cmd_size() > 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, ".dynamic_config of ", benchmark.uri(),
                     " has commands; the service executes none without "
                     "--allow_benchmark_commands"));
  }
  return absl::OkStatus();
}

absl::Status BenchmarkLoader::ReadFile(absl::string_view field, compiler_gym::Benchmark* benchmark,
                                       int64_t* bytes_left) const {
  const std::string path(absl::StripPrefix(benchmark->program().uri(), kFileScheme));
  const auto error = [&](absl::string_view what,
                         absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
    return absl::Status(
        code, absl::StrCat(field, ".program.uri ", benchmark->program().uri(), ": ", what));
  };
  // Found first and asked for its path after: links cannot change in between. O_PATH has none of
  // the effects that opening a device or a fifo may have.
  const UniqueFd file(open(path.c_str(), O_PATH | O_CLOEXEC));
  std::string location;
  if (file) {
    char resolved[PATH_MAX];
    const ssize_t size =
        readlink(absl::StrCat("/proc/self/fd/", file.get()).c_str(), resolved, sizeof(resolved));
    if (size > 0) location.assign(resolved, size);
  } else {
    // One that cannot be opened is judged by where it would be, so that the answer tells nothing of
    // what lies outside the roots.
    std::error_code unknown;
    location = std::filesystem::weakly_canonical(path, unknown).string();
  }
  bool is_allowed = false;
  for (const std::string& root : options_.roots) {
    char resolved_root[PATH_MAX];
    if (realpath(root.c_str(), resolved_root) == nullptr) continue;
    is_allowed = is_allowed || IsBelow(location, resolved_root);
  }
  if (!is_allowed) {
    return error(options_.roots.empty() ? "files are not allowed without --benchmark_roots"
                                        : absl::StrCat("not below --benchmark_roots=",
                                                       absl::StrJoin(options_.roots, ",")));
  }
  if (!file) return error("File not found: cannot be opened");
  absl::StatusOr<std::string> contents = ReadAll(file.get(), options_.max_bytes, *bytes_left);
  if (!contents.ok()) return error(contents.status().message(), contents.status().code());
  if (contents->empty()) return error("File is empty");
  *bytes_left -= static_cast<int64_t>(contents->size());
  benchmark->mutable_program()->set_contents(*std::move(contents));
  return absl::OkStatus();
}

}  // namespace holdfast
