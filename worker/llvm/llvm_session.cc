#include "worker/llvm/llvm_session.h"

#include <cstdint>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "llvm/Config/llvm-config.h"
#include "worker/llvm/benchmarks/benchmarks.h"
#include "worker/llvm/llvm_snapshot.pb.h"
#include "worker/llvm/module_digest.h"
#include "worker/llvm/observations.h"
#include "worker/llvm/pass_runner.h"
#include "worker/llvm/target.h"

namespace holdfast::llvm_session {
namespace {

// CompilerGym's client finds its flags in a CommandlineSpace, which only an Any can hold.
constexpr absl::string_view kCommandlineSpace = "PassesAll";

// Bitcode is read exactly by the LLVM that wrote it.
constexpr absl::string_view kSnapshotType = "holdfast.llvm/" LLVM_VERSION_STRING;
constexpr int64_t kSnapshotVersion = 1;

constexpr absl::string_view kOptCommand = "llvm.opt_command";
// The session, too, keeps no names of local values: with them a module has another text.
static_assert(LLVM_VERSION_MAJOR == 19);
constexpr absl::string_view kOpt = "opt-19 -discard-value-names";
constexpr size_t kMaxOptCommand = 1 << 20;
constexpr size_t kMaxQuoted = 100;

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
  passes_ = spaces[action_space].passes;
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
  // The runtime has checked this for the named spaces; what a CommandlineSpace allows, it does not
  // know.
  if (!action.has_int64_value()) {
    return CleanError(absl::InvalidArgumentError("an action is an int64_value, the pass's index"));
  }
  const absl::StatusOr<const Pass*> pass = FindPass(action.int64_value());
  if (!pass.ok()) return pass.status();
  const absl::Status ran = RunPass(**pass, program_->module());
  const std::string before = std::exchange(digest_, ModuleDigest(program_->module()));
  if (!ran.ok()) return ran;
  actions_.push_back(static_cast<int32_t>(action.int64_value()));
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

absl::StatusOr<std::string> LlvmSession::Fingerprint() {
  return absl::StrCat(digest_, program_->parameters().Fingerprint());
}

absl::StatusOr<absl::optional<SessionSnapshot>> LlvmSession::Snapshot() {
  LlvmSnapshot snapshot;
  program_->Save(&snapshot);
  snapshot.set_digest(digest_);
  snapshot.mutable_action()->Add(actions_.begin(), actions_.end());
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
  for (const int32_t action : saved.action()) {
    if (absl::Status status = FindPass(action).status(); !status.ok()) return status;
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
  actions_.assign(saved.action().begin(), saved.action().end());
  return absl::OkStatus();
}

absl::StatusOr<absl::optional<ParameterResult>> LlvmSession::HandleParameter(
    absl::string_view key, absl::string_view value) {
  if (key != kOptCommand) return program_->parameters().Handle(key, value);
  absl::StatusOr<std::string> command = OptCommand(value);
  if (!command.ok()) return CleanError(command.status());
  ParameterResult result;
  result.reply = *std::move(command);
  return absl::optional<ParameterResult>(std::move(result));
}

absl::StatusOr<BenchmarkCommands> LlvmSession::CommandsOf(
    const compiler_gym::Benchmark& benchmark) const {
  if (!context().allow_benchmark_commands) return BenchmarkCommands();
  return BenchmarkCommands::Create(benchmark.dynamic_config());
}

absl::StatusOr<const Pass*> LlvmSession::FindPass(int64_t index) const {
  if (index >= 0 && static_cast<size_t>(index) < passes_.size()) return &passes_[index];
  return CleanError(absl::InvalidArgumentError(
      absl::StrCat("action ", index, " is not in [0, ", passes_.size(), ")")));
}

absl::StatusOr<std::string> LlvmSession::OptCommand(absl::string_view further_actions) const {
  std::vector<absl::string_view> pipelines;
  for (const int32_t action : actions_)
    pipelines.push_back(PipelineFor(passes_[action], program_->module()));
  for (const absl::string_view text : absl::StrSplit(further_actions, ',', absl::SkipEmpty())) {
    int64_t index = 0;
    if (!absl::SimpleAtoi(text, &index)) {
      return absl::InvalidArgumentError(
          absl::StrCat(kOptCommand, " is \"", further_actions.substr(0, kMaxQuoted),
                       "\", must be indices of actions with commas between them"));
    }
    const absl::StatusOr<const Pass*> pass = FindPass(index);
    if (!pass.ok()) return pass.status();
    pipelines.push_back(PipelineFor(**pass, program_->module()));
  }
  std::string command;
  std::string input = "program.bc";
  int output = 0;
  for (const absl::string_view pipeline : pipelines) {
    if (pipeline.empty()) continue;
    const std::string next = absl::StrCat(++output, ".bc");
    absl::StrAppend(&command, output > 1 ? " && " : "", kOpt, " -passes='", pipeline, "' ", input,
                    " -o ", next);
    if (command.size() >= kMaxOptCommand) {
      return absl::ResourceExhaustedError(absl::StrCat(
          kOptCommand, ": the command for ", pipelines.size(), " actions is longer than the ",
          kMaxOptCommand, " bytes that an answer may have"));
    }
    input = next;
  }
  return command;
}

}  // namespace holdfast::llvm_session
