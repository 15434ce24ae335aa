// LLVM 19 as a session type: each action runs a pass, or a pipeline of them, on a module.
#ifndef HOLDFAST_WORKER_LLVM_LLVM_SESSION_H_
#define HOLDFAST_WORKER_LLVM_LLVM_SESSION_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "proto/compiler_gym_service.pb.h"
#include "worker/compilation_session.h"
#include "worker/llvm/benchmark_commands.h"
#include "worker/llvm/llvm_snapshot.pb.h"
#include "worker/llvm/pass_tables.h"
#include "worker/llvm/program.h"

namespace holdfast::llvm_session {

class LlvmSession : public CompilationSession {
 public:
  using CompilationSession::CompilationSession;

  static std::string CompilerVersion();
  static std::vector<compiler_gym::ActionSpace> ActionSpaces();
  static std::vector<compiler_gym::ObservationSpace> ObservationSpaces();
  static std::vector<std::string> BenchmarkUris();
  static absl::StatusOr<compiler_gym::Benchmark> MakeBenchmark(absl::string_view uri,
                                                               const SessionContext& context);

  absl::Status Init(int action_space, const compiler_gym::Benchmark& benchmark) override;
  absl::StatusOr<ActionResult> ApplyAction(const compiler_gym::Event& action) override;
  absl::StatusOr<compiler_gym::Event> ComputeObservation(int observation_space) override;
  // Verifies the module if the step changed it. INTERNAL if a pass broke it.
  absl::Status EndOfStep(bool had_no_effect) override;
  absl::StatusOr<std::string> Fingerprint() override;
  absl::StatusOr<absl::optional<SessionSnapshot>> Snapshot() override;
  // Does not compile the benchmark.
  absl::Status Restore(int action_space, const compiler_gym::Benchmark& benchmark,
                       const SessionSnapshot& snapshot) override;
  // `llvm.opt_command`: the shell command that brings the program, as the bitcode `program.bc`, to
  // the present state (opt_command.h). The value may name further changes (changes.h).
  // `llvm.apply_baseline_optimizations`: runs LLVM's pipeline of a level, as "-O3", and replies
  // whether that changed the program, "1" or "0". The others are in session_parameters.h.
  absl::StatusOr<absl::optional<ParameterResult>> HandleParameter(absl::string_view key,
                                                                  absl::string_view value) override;

 private:
  absl::Status SetActionSpace(int action_space);
  // None, unless the operator allows them.
  absl::StatusOr<BenchmarkCommands> CommandsOf(const compiler_gym::Benchmark& benchmark) const;
  // Runs a change, records it, and returns whether the program is another.
  absl::StatusOr<bool> Apply(Change change);
  absl::StatusOr<ParameterResult> AnswerOptCommand(absl::string_view further) const;
  absl::StatusOr<ParameterResult> ApplyBaseline(absl::string_view level);

  const PassSpace* space_ = nullptr;
  std::unique_ptr<Program> program_;
  // Of the module, as it is now: tells whether an action had an effect.
  std::string digest_;
  std::vector<Change> changes_;  // That brought the program to this state, in order.
};

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_LLVM_SESSION_H_
