// A toy compiler as a session: every hook of the SDK, in few lines.
//
// The program is text for a machine with a tape of cells. Each character is an instruction: + and -
// change the cell at hand, < and > move, . does nothing, and the macro T stands for +++. Actions
// are optimisation passes. A session ends when no instruction is left.
#ifndef HOLDFAST_WORKER_EXAMPLE_EXAMPLE_SESSION_H_
#define HOLDFAST_WORKER_EXAMPLE_EXAMPLE_SESSION_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "worker/compilation_session.h"

namespace holdfast {

class ExampleSession final : public CompilationSession {
 public:
  // Indices into ActionSpaces(): a pass by index, or several by name as in "fold,clean".
  enum ActionSpaceIndex { kPass, kPipeline };
  // Indices into ObservationSpaces().
  enum ObservationSpaceIndex { kText, kSize, kFeatures, kRunTime };

  explicit ExampleSession(SessionContext context) : CompilationSession(std::move(context)) {}

  static std::string CompilerVersion() { return "example 1.0"; }
  static std::vector<compiler_gym::ActionSpace> ActionSpaces();
  static std::vector<compiler_gym::ObservationSpace> ObservationSpaces();
  static std::vector<std::string> BenchmarkUris();
  static absl::StatusOr<compiler_gym::Benchmark> MakeBenchmark(absl::string_view uri,
                                                               const SessionContext& context);

  absl::Status Init(int action_space, const compiler_gym::Benchmark& benchmark) override;
  absl::StatusOr<ActionResult> ApplyAction(const compiler_gym::Event& action) override;
  absl::Status EndOfStep(bool had_no_effect) override;
  absl::StatusOr<compiler_gym::Event> ComputeObservation(int observation_space) override;
  absl::StatusOr<absl::optional<ParameterResult>> HandleParameter(absl::string_view key,
                                                                  absl::string_view value) override;
  absl::StatusOr<std::string> Fingerprint() override;
  absl::StatusOr<absl::optional<SessionSnapshot>> Snapshot() override;
  absl::Status Restore(int action_space, const compiler_gym::Benchmark& benchmark,
                       const SessionSnapshot& snapshot) override;

 private:
  absl::Status SetProgram(int action_space, absl::string_view program);
  std::string StateText() const;
  // Runs the pass of that index. Returns whether it changed the program.
  bool RunPass(size_t pass);

  bool is_pipeline_ = false;
  std::string program_;
  // How many rewrites a pass may do; the parameter "example.max_rewrites".
  int64_t max_rewrites_ = 1000;
  // How often each instruction occurs. Derived from program_ once a step, not with each
  // observation.
  std::vector<int64_t> features_;
};

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_EXAMPLE_EXAMPLE_SESSION_H_
