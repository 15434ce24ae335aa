#include "worker/llvm/llvm_session.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "llvm/Config/llvm-config.h"
#include "worker/llvm/module_digest.h"
#include "worker/llvm/observations.h"
#include "worker/llvm/pass_runner.h"
#include "worker/llvm/target.h"

namespace holdfast::llvm_session {
namespace {

// CompilerGym's client finds its flags in a CommandlineSpace, which only an Any can hold.
constexpr absl::string_view kCommandlineSpace = "PassesAll";

compiler_gym::ActionSpace MakeActionSpace(const PassSpace& passes) {
  compiler_gym::ActionSpace space;
  space.set_name(std::string(passes.name));
  if (passes.name == kCommandlineSpace) {
    compiler_gym::CommandlineSpace flags;
    for (const Pass& pass : passes.passes) flags.add_name(std::string(pass.name));
    space.mutable_space()->mutable_any_value()->PackFrom(flags);
  } else {
    compiler_gym::NamedDiscreteSpace& names = *space.mutable_space()->mutable_named_discrete();
    for (const Pass& pass : passes.passes) names.add_name(std::string(pass.name));
  }
  return space;
}

}  // namespace

std::string LlvmSession::CompilerVersion() { return "LLVM " LLVM_VERSION_STRING; }

std::vector<compiler_gym::ActionSpace> LlvmSession::ActionSpaces() {
  std::vector<compiler_gym::ActionSpace> spaces;
  for (const PassSpace& passes : PassSpaces()) spaces.push_back(MakeActionSpace(passes));
  return spaces;
}

std::vector<compiler_gym::ObservationSpace> LlvmSession::ObservationSpaces() {
  return MakeObservationSpaces();
}

absl::Status LlvmSession::Init(int action_space, const compiler_gym::Benchmark& benchmark) {
  const absl::Span<const PassSpace> spaces = PassSpaces();
  if (action_space < 0 || static_cast<size_t>(action_space) >= spaces.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("action space ", action_space, " is not in [0, ", spaces.size(), ")"));
  }
  InitializeLlvm();
  absl::StatusOr<std::unique_ptr<Program>> program =
      Program::Load(benchmark.program().contents(), context().scratch_directory);
  if (!program.ok()) return program.status();
  passes_ = spaces[action_space].passes;
  program_ = *std::move(program);
  digest_ = ModuleDigest(program_->module());
  return absl::OkStatus();
}

absl::StatusOr<ActionResult> LlvmSession::ApplyAction(const compiler_gym::Event& action) {
  // The runtime has checked this for the named spaces; what a CommandlineSpace allows, it does not
  // know.
  if (!action.has_int64_value()) {
    return CleanError(absl::InvalidArgumentError("an action is an int64_value, the pass's index"));
  }
  const int64_t index = action.int64_value();
  if (index < 0 || static_cast<size_t>(index) >= passes_.size()) {
    return CleanError(absl::InvalidArgumentError(
        absl::StrCat("action ", index, " is not in [0, ", passes_.size(), ")")));
  }
  const absl::Status ran = RunPass(passes_[index], program_->module());
  const std::string before = std::exchange(digest_, ModuleDigest(program_->module()));
  if (!ran.ok()) return ran;
  ActionResult result;
  result.had_no_effect = digest_ == before;
  return result;
}

absl::StatusOr<compiler_gym::Event> LlvmSession::ComputeObservation(int observation_space) {
  absl::StatusOr<compiler_gym::Event> event = Observe(observation_space, *program_);
  if (!event.ok()) return CleanError(event.status());
  return event;
}

absl::Status LlvmSession::EndOfStep(bool had_no_effect) {
  if (had_no_effect) return absl::OkStatus();
  return VerifyModule(program_->module());
}

absl::StatusOr<std::string> LlvmSession::Fingerprint() { return digest_; }

}  // namespace holdfast::llvm_session
