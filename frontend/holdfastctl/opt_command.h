// A crash without Holdfast: the compiler's own command line, for sessions that know it.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_OPT_COMMAND_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_OPT_COMMAND_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "frontend/holdfastctl/crash_script.h"
#include "frontend/holdfastctl/replayer.h"

namespace holdfast {

struct OptCommand {
  std::string command;  // For a shell, in the directory of a file named as was asked for.
  std::string program;  // What that file must hold.
};

// What `calls` but for their observations do to the program that `replayer` has loaded. nullopt: it
// is no session of LLVM. FailedPrecondition: there is more than actions and optimisation levels.
// Unimplemented: opt cannot do one of them.
absl::StatusOr<absl::optional<OptCommand>> MakeOptCommand(Replayer* replayer,
                                                          const std::vector<Call>& calls,
                                                          const std::string& program_file);

// Whether `call` is a parameter that changes the program as an action does.
bool AppliesLevel(const Call& call);

// As one word of a POSIX shell's command line, which no program takes for a flag.
std::string ShellFileName(absl::string_view name);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_OPT_COMMAND_H_
