// What the tests of the LLVM session share: programs, and a session driven as the runtime does.
#ifndef HOLDFAST_TESTS_WORKER_LLVM_TEST_SUPPORT_H_
#define HOLDFAST_TESTS_WORKER_LLVM_TEST_SUPPORT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "worker/llvm/llvm_session.h"

namespace holdfast::llvm_session {

// The source of a program in worker/llvm/benchmarks/programs.
std::string DemoProgram(absl::string_view name);

// An empty directory that goes with the object.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void WriteFile(const std::string& path, absl::string_view contents);
std::string ReadFile(const std::string& path);
// What a command of the shell prints. A failed test if it fails.
std::string OutputOf(const std::string& command);
// What `size` calls the text of the file. -1, and a failed test, if it cannot tell.
int64_t TextByTheToolSize(const std::string& path);
// Whether LLVM's own opt is there, to be compared with.
bool HasOpt();

// A command of a benchmark.
compiler_gym::Command ShellCommand(absl::string_view line, const std::vector<std::string>& infiles,
                                   const std::vector<std::string>& outfiles);

// A program as bitcode, unoptimised.
std::string BitcodeOf(absl::string_view c_source);

// One session, called in the order in which the runtime calls it.
class SessionUnderTest {
 public:
  SessionUnderTest();
  // One whose benchmarks have these commands.
  explicit SessionUnderTest(compiler_gym::BenchmarkDynamicConfig commands, bool is_allowed = true);

  absl::Status Init(absl::string_view space, absl::string_view contents);

  // Instead of Init(): from a snapshot of a session that was started with these.
  absl::Status Restore(absl::string_view space, absl::string_view contents,
                       const SessionSnapshot& snapshot);

  // A step of one action, given by its name or, in the space `pipeline`, as it is. Returns whether
  // it had an effect.
  absl::StatusOr<bool> Step(absl::string_view action);

  absl::StatusOr<compiler_gym::Event> Observe(absl::string_view observation);
  std::string Ir();
  int64_t Count(absl::string_view observation);

  LlvmSession& session() { return session_; }

 private:
  // The index of the space; -1, and a failed test: there is none.
  int SetSpace(absl::string_view space);

  compiler_gym::Benchmark BenchmarkOf(absl::string_view contents) const;

  ScratchDirectory scratch_;
  const compiler_gym::BenchmarkDynamicConfig commands_;
  LlvmSession session_;
  const PassSpace* space_ = nullptr;
};

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_TESTS_WORKER_LLVM_TEST_SUPPORT_H_
