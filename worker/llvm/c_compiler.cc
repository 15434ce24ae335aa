#include "worker/llvm/c_compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace holdfast::llvm_session {
namespace {

constexpr char kSourceFile[] = "program.c";
constexpr char kBitcodeFile[] = "program.bc";
constexpr char kDiagnosticsFile[] = "clang.stderr";
constexpr size_t kMaxDiagnostics = 1024;

// -O1, or functions get `optnone`; no passes, those are the session's to choose. Without
// -funroll-loops clang marks loops at -O1 as not to be unrolled.
constexpr const char* kArguments[] = {HOLDFAST_CLANG,
                                      "-O1",
                                      "-funroll-loops",
                                      "-Xclang",
                                      "-disable-llvm-passes",
                                      "-emit-llvm",
                                      "-fno-color-diagnostics",
                                      "-c",
                                      kSourceFile,
                                      "-o",
                                      kBitcodeFile,
                                      nullptr};

absl::Status WriteFile(const std::string& path, absl::string_view contents) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(contents.data(), contents.size());
  file.close();
  if (!file) return absl::InternalError(absl::StrCat("Cannot write ", path));
  return absl::OkStatus();
}

std::string ReadFile(const std::string& path, size_t max_bytes) {
  std::ifstream file(path, std::ios::binary);
  std::string contents;
  char buffer[1 << 16];
  while (contents.size() < max_bytes && file) {
    file.read(buffer, std::min(sizeof(buffer), max_bytes - contents.size()));
    contents.append(buffer, file.gcount());
  }
  return contents;
}

// Runs in the child, between fork and exec: async-signal-safe calls only.
[[noreturn]] void ExecClang(const char* directory, pid_t parent, char* const* environment) {
  // A group of its own, so that clang and its children can be killed as one; and the death of the
  // worker is theirs too.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int input = open("/dev/null", O_RDONLY);
  if (chdir(directory) != 0 || input < 0 || dup2(input, STDIN_FILENO) < 0) _exit(126);
  const int diagnostics = open(kDiagnosticsFile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (diagnostics < 0 || dup2(diagnostics, STDOUT_FILENO) < 0 ||
      dup2(diagnostics, STDERR_FILENO) < 0) {
    _exit(126);
  }
  execvpe(kArguments[0], const_cast<char* const*>(kArguments), environment);
  _exit(127);
}

// Nothing of the service's surroundings shall change what a program compiles to.
std::vector<std::string> Environment(const std::string& scratch_directory) {
  const char* path = getenv("PATH");
  return {absl::StrCat("PATH=", path != nullptr ? path : "/usr/bin:/bin"),
          absl::StrCat("TMPDIR=", scratch_directory), "LC_ALL=C", "SOURCE_DATE_EPOCH=0"};
}

absl::StatusOr<int> RunClang(const std::string& scratch_directory) {
  std::vector<std::string> variables = Environment(scratch_directory);
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);

  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return absl::InternalError(absl::StrCat("Cannot fork: ", strerror(errno)));
  if (child == 0) ExecClang(scratch_directory.c_str(), parent, environment.data());
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      return absl::InternalError(absl::StrCat("Cannot wait for clang: ", strerror(errno)));
    }
  }
  return status;
}

}  // namespace

absl::StatusOr<std::string> CompileC(absl::string_view source,
                                     const std::string& scratch_directory) {
  const auto path_of = [&](absl::string_view name) {
    return absl::StrCat(scratch_directory, "/", name);
  };
  if (absl::Status written = WriteFile(path_of(kSourceFile), source); !written.ok()) return written;
  const absl::StatusOr<int> status = RunClang(scratch_directory);
  if (!status.ok()) return status.status();

  const std::string bitcode = ReadFile(path_of(kBitcodeFile), std::string::npos);
  std::string diagnostics = ReadFile(path_of(kDiagnosticsFile), kMaxDiagnostics);
  for (const char* name : {kSourceFile, kBitcodeFile, kDiagnosticsFile}) {
    unlink(path_of(name).c_str());
  }
  if (WIFEXITED(*status) && (WEXITSTATUS(*status) == 126 || WEXITSTATUS(*status) == 127)) {
    return absl::InternalError(absl::StrCat("Cannot run ", HOLDFAST_CLANG));
  }
  if (WIFSIGNALED(*status)) {
    return absl::InvalidArgumentError(
        absl::StrCat("Failed to compile C source: clang was ended by ",
                     strsignal(WTERMSIG(*status)), ": ", diagnostics));
  }
  if (*status != 0 || bitcode.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("Failed to compile C source: ", diagnostics));
  }
  return bitcode;
}

}  // namespace holdfast::llvm_session
