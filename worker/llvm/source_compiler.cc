#include "worker/llvm/source_compiler.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Regex.h"
#include "worker/subprocess/subprocess.h"

namespace holdfast::llvm_session {
namespace {

constexpr char kBitcodeFile[] = "program.bc";
constexpr size_t kMaxDiagnostics = 1024;
constexpr absl::Duration kLimit = absl::Minutes(1);

struct Language {
  const char* name;
  const char* file;  // Its ending is what clang goes by.
};
constexpr Language kC = {"C", "program.c"};
constexpr Language kCpp = {"C++", "program.cc"};

// A line that C++ programs have and C programs do not.
bool LooksLikeCpp(absl::string_view source) {
  static const llvm::Regex kLine(
      "(^|\n)[ \t]*(#[ \t]*include[ \t]*<[a-z_]+>|using[ \t]|namespace[ \t{]|template[ \t]*<|"
      "class[ \t]+[A-Za-z_0-9]+[ \t\n]*[:{]|extern[ \t]*\"C|(constexpr|consteval|auto)[ \t])");
  return kLine.match(llvm::StringRef(source.data(), source.size()));
}

absl::Status WriteFile(const std::string& path, absl::string_view contents) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(contents.data(), contents.size());
  file.close();
  if (!file) return absl::InternalError(absl::StrCat("Cannot write ", path));
  return absl::OkStatus();
}

// Empty: there is none.
std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Nothing of the service's surroundings shall change what a program compiles to.
std::vector<std::string> Environment(const std::string& scratch_directory) {
  const char* path = getenv("PATH");
  return {absl::StrCat("PATH=", path != nullptr ? path : "/usr/bin:/bin"),
          absl::StrCat("TMPDIR=", scratch_directory), "LC_ALL=C", "SOURCE_DATE_EPOCH=0"};
}

// Whom the user or the machine ended, and not clang itself.
bool IsFromOutside(int wait_status) {
  if (!WIFSIGNALED(wait_status)) return false;
  const int signal = WTERMSIG(wait_status);
  return signal == SIGKILL || signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

// INVALID_ARGUMENT if clang refuses the source; any other error says nothing about it.
absl::StatusOr<std::string> CompileAs(const Language& language, absl::string_view source,
                                      const std::string& scratch_directory,
                                      const std::vector<std::string>& flags) {
  const std::string source_file = absl::StrCat(scratch_directory, "/", language.file);
  const std::string bitcode_file = absl::StrCat(scratch_directory, "/", kBitcodeFile);
  if (absl::Status written = WriteFile(source_file, source); !written.ok()) return written;
  SubprocessOptions clang;
  // -O1, or functions get `optnone`; no passes, those are the session's to choose. Without
  // -funroll-loops clang marks loops at -O1 as not to be unrolled.
  clang.arguments = {HOLDFAST_CLANG,
                     "-O1",
                     "-funroll-loops",
                     "-Xclang",
                     "-disable-llvm-passes",
                     "-emit-llvm",
                     "-fno-color-diagnostics",
                     "-c",
                     language.file,
                     "-o",
                     kBitcodeFile};
  clang.arguments.insert(clang.arguments.end(), flags.begin(), flags.end());
  clang.directory = scratch_directory;
  clang.environment = Environment(scratch_directory);
  clang.limit = kLimit;
  clang.max_output_bytes = kMaxDiagnostics;
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(clang);
  std::string bitcode = ReadFile(bitcode_file);
  unlink(source_file.c_str());
  unlink(bitcode_file.c_str());

  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("Failed to compile ", language.name, " source: ", why));
  };
  if (!result.ok()) return result.status();
  if (IsFromOutside(result->wait_status)) {
    return absl::InternalError(absl::StrCat("clang ", result->Describe()));
  }
  if (WIFSIGNALED(result->wait_status)) {
    return refuse(absl::StrCat("clang ", result->Describe(), ": ", result->output));
  }
  if (!result->succeeded() || bitcode.empty()) return refuse(result->output);
  return bitcode;
}

}  // namespace

absl::StatusOr<std::string> CompileSource(absl::string_view source,
                                          const std::string& scratch_directory,
                                          const std::vector<std::string>& flags) {
  const bool is_cpp = LooksLikeCpp(source);
  absl::StatusOr<std::string> bitcode =
      CompileAs(is_cpp ? kCpp : kC, source, scratch_directory, flags);
  if (absl::IsInvalidArgument(bitcode.status())) {
    absl::StatusOr<std::string> other =
        CompileAs(is_cpp ? kC : kCpp, source, scratch_directory, flags);
    if (!other.ok()) return bitcode;
    // Some programs are both, with two meanings: this one must not be the other because the disk
    // was full for a moment.
    const absl::Status again =
        CompileAs(is_cpp ? kCpp : kC, source, scratch_directory, flags).status();
    if (absl::IsInvalidArgument(again)) return other;
    return absl::InternalError(
        absl::StrCat("clang refused what it takes now: ", bitcode.status().message()));
  }
  if (absl::IsDeadlineExceeded(bitcode.status())) {
    return absl::InvalidArgumentError(
        absl::StrCat("Failed to compile source: ", bitcode.status().message()));
  }
  if (absl::IsNotFound(bitcode.status())) return absl::InternalError(bitcode.status().message());
  return bitcode;
}

}  // namespace holdfast::llvm_session
