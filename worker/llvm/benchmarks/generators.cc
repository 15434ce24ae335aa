#include "worker/llvm/benchmarks/generators.h"

#include <unistd.h>

#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "llvm/Config/llvm-config.h"
#include "worker/llvm/source_compiler.h"
#include "worker/subprocess/subprocess.h"

namespace holdfast::llvm_session {
namespace {

constexpr absl::Duration kLimit = absl::Minutes(1);
constexpr char kOutputFile[] = "generated";
constexpr char kCsmithHeaders[] = "/usr/include/csmith";
static_assert(LLVM_VERSION_MAJOR == 19);
constexpr char kLlvmStress[] = "llvm-stress-19";

absl::Status MissingError(absl::string_view what, absl::string_view package) {
  return absl::InvalidArgumentError(
      absl::StrCat("this generator needs ", what, ", of the Debian package ", package));
}

// What the tool writes to kOutputFile.
absl::StatusOr<std::string> RunTool(std::vector<std::string> arguments, absl::string_view package,
                                    const std::string& directory) {
  SubprocessOptions options;
  options.arguments = std::move(arguments);
  options.directory = directory;
  options.environment = {"LC_ALL=C"};
  options.limit = kLimit;
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(options);
  if (absl::IsNotFound(result.status())) return MissingError(options.arguments[0], package);
  if (absl::IsDeadlineExceeded(result.status())) {
    return absl::InvalidArgumentError(result.status().message());
  }
  if (!result.ok()) return result.status();
  std::ifstream file(absl::StrCat(directory, "/", kOutputFile), std::ios::binary);
  std::string output{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!result->succeeded() || output.empty()) {
    return absl::InternalError(
        absl::StrCat(options.arguments[0], " ", result->Describe(), ": ", result->output));
  }
  return output;
}

}  // namespace

absl::StatusOr<std::string> RunCsmith(uint32_t seed, const std::string& directory) {
  // Less than csmith's own limits, 10 and 5, with which it may take ten times as long for programs
  // that are little larger.
  const absl::StatusOr<std::string> source =
      RunTool({"csmith", "--concise", "--max-funcs", "8", "--max-block-depth", "4", "--seed",
               absl::StrCat(seed), "--output", kOutputFile},
              "csmith", directory);
  if (!source.ok()) return source.status();
  if (access(absl::StrCat(kCsmithHeaders, "/csmith.h").c_str(), R_OK) != 0) {
    return MissingError(absl::StrCat(kCsmithHeaders, "/csmith.h"), "libcsmith-dev");
  }
  return CompileSource(*source, directory, {absl::StrCat("-I", kCsmithHeaders), "-w"});
}

absl::StatusOr<std::string> RunLlvmStress(uint32_t seed, const std::string& directory) {
  return RunTool({kLlvmStress, absl::StrCat("--seed=", seed),
                  absl::StrCat("--size=", 100 + seed % 900), "-o", kOutputFile},
                 "llvm-19", directory);
}

}  // namespace holdfast::llvm_session
