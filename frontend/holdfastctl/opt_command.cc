#include "frontend/holdfastctl/opt_command.h"

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
  const char* parameter;    // A session parameter: indices of actions, to a command line.
  const char* file;         // How that names the program,
  const char* observation;  // which is this observation before the first action.
};
constexpr CommandLine kOpt = {"llvm.opt_command", "program.bc", "Bitcode"};

// Observations change nothing: they are left out.
absl::StatusOr<std::string> ActionIndices(const std::vector<Call>& calls) {
  std::vector<int64_t> indices;
  for (const Call& call : calls) {
    const auto& actions = call.step().action();
    const bool is_plain = call.has_step() && std::all_of(actions.begin(), actions.end(),
                                                         [](const compiler_gym::Event& action) {
                                                           return action.has_int64_value();
                                                         });
    if (!is_plain) {
      return absl::FailedPreconditionError("there is more than actions with an index");
    }
    for (const compiler_gym::Event& action : actions) indices.push_back(action.int64_value());
  }
  return absl::StrJoin(indices, ",");
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

absl::StatusOr<absl::optional<OptCommand>> MakeOptCommand(Replayer* replayer,
                                                          const std::vector<Call>& calls,
                                                          const std::string& program_file) {
  const int observation = ObservationIndex(replayer->spaces(), kOpt.observation);
  if (observation < 0) return absl::optional<OptCommand>();
  const absl::StatusOr<std::string> indices = ActionIndices(calls);
  if (!indices.ok()) return indices.status();
  absl::StatusOr<std::string> command = replayer->AskParameter(kOpt.parameter, *indices);
  if (!command.ok()) return command.status();
  const absl::StatusOr<compiler_gym::Event> program = replayer->Observe(observation);
  if (!program.ok()) return program.status();
  return OptCommand{absl::StrReplaceAll(*command, {{kOpt.file, ShellFileName(program_file)}}),
                    BytesOf(*program)};
}

}  // namespace holdfast
