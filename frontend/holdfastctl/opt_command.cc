#include "frontend/holdfastctl/opt_command.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace holdfast {
namespace {

// All that is known of LLVM here.
struct CommandLine {
  const char* parameter;  // A session parameter: changes of the program, to a command line.
  const char* file;       // How that names the program, before anything else that may be so named,
  const char* observation;  // which is this observation before the first change.
  const char* level;        // A parameter that is a change, as are actions.
  const char* settings;     // What parameters begin with that are none, and may be left out.
};
constexpr CommandLine kOpt = {"llvm.opt_command", "program.bc", "Bitcode",
                              "llvm.apply_baseline_optimizations", "llvm.set_"};

absl::StatusOr<std::string> ChangeOf(const compiler_gym::Event& action) {
  if (action.has_int64_value()) return absl::StrCat(action.int64_value());
  if (action.has_string_value()) return action.string_value();
  return absl::FailedPreconditionError("there is an action that is neither an index nor a text");
}

// One a line. Observations change nothing: they are left out.
absl::StatusOr<std::string> ChangesOf(const std::vector<Call>& calls) {
  std::vector<std::string> changes;
  for (const Call& call : calls) {
    for (const compiler_gym::Event& action : call.step().action()) {
      absl::StatusOr<std::string> change = ChangeOf(action);
      if (!change.ok()) return change.status();
      changes.push_back(*std::move(change));
    }
    if (AppliesLevel(call)) {
      changes.push_back(call.parameter().value());
    } else if (call.has_parameter() && !absl::StartsWith(call.parameter().key(), kOpt.settings)) {
      return absl::FailedPreconditionError(
          absl::StrCat("opt has nothing like the parameter ", call.parameter().key()));
    }
  }
  return absl::StrJoin(changes, "\n");
}

// The command, on a file of another name.
std::string On(const std::string& file, std::string command) {
  const size_t at = command.find(kOpt.file);
  if (at != std::string::npos) command.replace(at, strlen(kOpt.file), ShellFileName(file));
  return command;
}

int ObservationIndex(const compiler_gym::GetSpacesReply& spaces, absl::string_view name) {
  for (int i = 0; i < spaces.observation_space_list_size(); ++i) {
    if (spaces.observation_space_list(i).name() == name) return i;
  }
  return -1;
}

std::string BytesOf(const compiler_gym::Event& event) {
  return event.has_byte_tensor() ? event.byte_tensor().value() : event.string_value();
}

}  // namespace

std::string ShellFileName(absl::string_view name) {
  const bool is_plain = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("._-+/", c);
  });
  const std::string path =
      absl::StrCat(absl::StartsWith(name, "-") || name.empty() ? "./" : "", name);
  return is_plain ? path : absl::StrCat("'", absl::StrReplaceAll(path, {{"'", "'\\''"}}), "'");
}

bool AppliesLevel(const Call& call) {
  return call.has_parameter() && call.parameter().key() == kOpt.level;
}

absl::StatusOr<absl::optional<OptCommand>> MakeOptCommand(Replayer* replayer,
                                                          const std::vector<Call>& calls,
                                                          const std::string& program_file) {
  const int observation = ObservationIndex(replayer->spaces(), kOpt.observation);
  if (observation < 0) return absl::optional<OptCommand>();
  const absl::StatusOr<std::string> changes = ChangesOf(calls);
  if (!changes.ok()) return changes.status();
  absl::StatusOr<std::string> command = replayer->AskParameter(kOpt.parameter, *changes);
  if (!command.ok()) return command.status();
  const absl::StatusOr<compiler_gym::Event> program = replayer->Observe(observation);
  if (!program.ok()) return program.status();
  return OptCommand{On(program_file, *std::move(command)), BytesOf(*program)};
}

}  // namespace holdfast
