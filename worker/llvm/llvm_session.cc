#include "worker/llvm/llvm_session.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "llvm/Config/llvm-config.h"
#include "worker/llvm/benchmarks/benchmarks.h"
#include "worker/llvm/changes.h"
#include "worker/llvm/module_bitcode.h"
#include "worker/llvm/module_digest.h"
#include "worker/llvm/observations.h"
#include "worker/llvm/opt_command.h"
#include "worker/llvm/pass_runner.h"
#include "worker/llvm/target.h"

namespace holdfast::llvm_session {
namespace {

// Bitcode is read exactly by the LLVM that wrote it.
constexpr absl::string_view kSnapshotType = "holdfast.llvm/" LLVM_VERSION_STRING;
constexpr int64_t kSnapshotVersion = 2;

constexpr absl::string_view kOptCommand = "llvm.opt_command";
constexpr absl::string_view kApplyBaseline = "llvm.apply_baseline_optimizations";

absl::Status CleanParameterError(absl::string_view key, const absl::Status& error) {
  return CleanError(absl::Status(error.code(), absl::StrCat(key, ": ", error.message())));
}

}  // namespace

std::string LlvmSession::CompilerVersion() { return "LLVM " LLVM_VERSION_STRING; }

std::vector<compiler_gym::ActionSpace> LlvmSession::ActionSpaces() { return MakeActionSpaces(); }

std::vector<compiler_gym::ObservationSpace> LlvmSession::ObservationSpaces() {
  return MakeObservationSpaces();
}

std::vector<std::string> LlvmSession::BenchmarkUris() { return llvm_session::BenchmarkUris(); }

absl::StatusOr<compiler_gym::Benchmark> LlvmSession::MakeBenchmark(absl::string_view uri,
                                                                   const SessionContext& context) {
  return llvm_session::MakeBenchmark(uri, context.scratch_directory);
}

absl::Status LlvmSession::SetActionSpace(int action_space) {
  const absl::Span<const PassSpace> spaces = PassSpaces();
  if (action_space < 0 || static_cast<size_t>(action_space) >= spaces.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("action space ", action_space, " is not in [0, ", spaces.size(), ")"));
  }
  space_ = &spaces[action_space];
  return absl::OkStatus();
}

absl::Status LlvmSession::Init(int action_space, const compiler_gym::Benchmark& benchmark) {
  if (absl::Status status = SetActionSpace(action_space); !status.ok()) return status;
  InitializeLlvm();
  absl::StatusOr<BenchmarkCommands> commands = CommandsOf(benchmark);
  if (!commands.ok()) return commands.status();
  absl::StatusOr<std::unique_ptr<Program>> program =
      Program::Load(benchmark.program().contents(), *std::move(commands), context());
  if (!program.ok()) return program.status();
  program_ = *std::move(program);
  digest_ = ModuleDigest(program_->module());
  return absl::OkStatus();
}

absl::StatusOr<ActionResult> LlvmSession::ApplyAction(const compiler_gym::Event& action) {
  absl::StatusOr<Change> change = ChangeOfAction(action, *space_);
  if (!change.ok()) return CleanError(change.status());
  const absl::StatusOr<bool> changed = Apply(*std::move(change));
  if (!changed.ok()) return changed.status();
  ActionResult result;
  result.had_no_effect = !*changed;
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

absl::StatusOr<std::string> LlvmSession::Fingerprint() {
  return absl::StrCat(digest_, program_->parameters().Fingerprint());
}

absl::StatusOr<absl::optional<SessionSnapshot>> LlvmSession::Snapshot() {
  LlvmSnapshot snapshot;
  program_->Save(&snapshot);
  snapshot.set_digest(digest_);
  snapshot.mutable_change()->Add(changes_.begin(), changes_.end());
  SessionSnapshot result{std::string(kSnapshotType), kSnapshotVersion, /*data=*/""};
  if (!snapshot.SerializeToString(&result.data)) {
    return absl::ResourceExhaustedError("the module is too large for a snapshot");
  }
  return absl::optional<SessionSnapshot>(std::move(result));
}

absl::Status LlvmSession::Restore(int action_space, const compiler_gym::Benchmark& benchmark,
                                  const SessionSnapshot& snapshot) {
  if (snapshot.type != kSnapshotType || snapshot.version != kSnapshotVersion) {
    return UnknownSnapshotError(snapshot);
  }
  LlvmSnapshot saved;
  if (!saved.ParseFromString(snapshot.data)) {
    return absl::InvalidArgumentError("the snapshot is malformed");
  }
  if (absl::Status status = SetActionSpace(action_space); !status.ok()) return status;
  for (const Change& change : saved.change()) {
    if (absl::Status status = PassOf(change, *space_).status(); !status.ok()) return status;
  }
  InitializeLlvm();
  absl::StatusOr<BenchmarkCommands> commands = CommandsOf(benchmark);
  if (!commands.ok()) return commands.status();
  absl::StatusOr<std::unique_ptr<Program>> program =
      Program::Restore(saved, benchmark.program().contents(), *std::move(commands), context());
  if (!program.ok()) return program.status();
  digest_ = ModuleDigest((*program)->module());
  if (digest_ != saved.digest()) {
    return absl::DataLossError("LLVM has read another module out of the snapshot than it wrote");
  }
  program_ = *std::move(program);
  changes_.assign(saved.change().begin(), saved.change().end());
  if (!changes_.empty()) program_->set_is_changed();
  return absl::OkStatus();
}

absl::StatusOr<absl::optional<ParameterResult>> LlvmSession::HandleParameter(
    absl::string_view key, absl::string_view value) {
  absl::StatusOr<ParameterResult> result;
  if (key == kOptCommand) {
    result = AnswerOptCommand(value);
  } else if (key == kApplyBaseline) {
    result = ApplyBaseline(value);
  } else {
    return program_->parameters().Handle(key, value);
  }
  if (!result.ok()) return result.status();
  return absl::optional<ParameterResult>(*std::move(result));
}

absl::StatusOr<bool> LlvmSession::Apply(Change change) {
  const absl::StatusOr<Pass> pass = PassOf(change, *space_);
  if (!pass.ok()) return CleanError(pass.status());
  const absl::Status ran = RunPass(*pass, program_->module());
  const std::string before = std::exchange(digest_, ModuleDigest(program_->module()));
  if (!ran.ok()) return ran;
  program_->set_is_changed();
  changes_.push_back(std::move(change));
  return digest_ != before;
}

absl::StatusOr<ParameterResult> LlvmSession::AnswerOptCommand(absl::string_view further) const {
  const absl::StatusOr<std::vector<Change>> further_changes = ParseChanges(further, *space_);
  if (!further_changes.ok()) return CleanParameterError(kOptCommand, further_changes.status());
  std::vector<Pass> passes;
  for (const std::vector<Change>* changes : {&changes_, &*further_changes}) {
    for (const Change& change : *changes) passes.push_back(*PassOf(change, *space_));
  }
  absl::StatusOr<std::string> command = OptCommand(passes, program_->module());
  if (!command.ok()) return CleanParameterError(kOptCommand, command.status());
  ParameterResult result;
  result.reply = *std::move(command);
  return result;
}

absl::StatusOr<ParameterResult> LlvmSession::ApplyBaseline(absl::string_view level) {
  absl::StatusOr<Change> change = ChangeOfBaseline(level);
  if (!change.ok()) return CleanParameterError(kApplyBaseline, change.status());
  std::string before;
  WriteModule(program_->module(), &before);
  const absl::StatusOr<bool> changed = Apply(*std::move(change));
  if (!changed.ok()) return changed.status();
  if (absl::Status valid = VerifyModule(program_->module()); !valid.ok()) return valid;
  std::string after;
  WriteModule(program_->module(), &after);
  ParameterResult result;
  result.reply = *changed ? "1" : "0";
  // Also where only the order of use lists is another, which no digest shows but later passes may.
  result.changed_state = after != before;
  if (!result.changed_state) changes_.pop_back();
  return result;
}

absl::StatusOr<BenchmarkCommands> LlvmSession::CommandsOf(
    const compiler_gym::Benchmark& benchmark) const {
  if (!context().allow_benchmark_commands) return BenchmarkCommands();
  return BenchmarkCommands::Create(benchmark.dynamic_config());
}

}  // namespace holdfast::llvm_session
