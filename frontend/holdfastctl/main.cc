// holdfastctl: looks into crash reports, makes them happen again, and makes them small.
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/reflection.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/roles.h"
#include "common/version.h"
#include "frontend/holdfastctl/commands.h"
#include "frontend/holdfastctl/private_service.h"
#include "frontend/spawner/spawner_process.h"

ABSL_FLAG(int, runs, 1,
          "replay: how often. reduce: how often a candidate is tried until it fails, for crashes "
          "that come and go. 1 to 1000.");
ABSL_FLAG(absl::Duration, time_limit, absl::Minutes(10),
          "reduce: after this it ends with the shortest sequence so far. More than 0.");
ABSL_FLAG(std::string, output, "",
          "reduce: the file of the reduced report. Default: beside the report, its name with "
          "-reduced.");
ABSL_FLAG(std::string, program_output, "",
          "replay and reduce, of LLVM: the file for the program that the printed command reads. "
          "Default: beside the report, its name with .bc.");

// The front's. Given as a flag, it replaces the worker that the report names.
ABSL_DECLARE_FLAG(std::string, worker);
ABSL_DECLARE_FLAG(absl::Duration, step_timeout);

namespace holdfast {
namespace {

constexpr char kUsage[] =
    R"(Lists, shows, replays and reduces crash reports of Holdfast.

  holdfastctl list DIR      the reports in a directory, the one last seen at the end
  holdfastctl show FILE     all that is in a report
  holdfastctl replay FILE   whether it still fails, in a fresh worker
  holdfastctl reduce FILE   to the fewest actions that fail in the same way

replay and reduce RUN WHAT THE REPORT HOLDS: the worker that it names, on the
program in it, with the rights of the user. Use them on reports that you trust.
--worker=PATH runs another worker. For LLVM they print what to run with opt, too.

Exit code: 0 it fails in the same way (list, show: done), 1 it does not, 2 error.

A worker that is replayed is limited as by a service, by these flags of it:
--step_timeout, --step_cpu_limit, --worker_start_timeout,
--worker_memory_limit_bytes, --worker_file_limit_bytes, --worker_process_limit,
--worker_cgroups, --max_message_bytes, --allow_benchmark_commands
(holdfast --help has their meaning and defaults).)";

// Flags of the front that we pass on to our own.
constexpr const char* kServiceFlags[] = {
    "step_timeout",
    "step_cpu_limit",
    "worker_start_timeout",
    "worker_memory_limit_bytes",
    "worker_file_limit_bytes",
    "worker_process_limit",
    "worker_cgroups",
    "max_message_bytes",
    "allow_benchmark_commands",
};

struct Command {
  const char* name;
  int (*run)(const std::string& path, const CommandOptions& options);
};
constexpr Command kCommands[] = {
    {"list", RunList},
    {"show", RunShow},
    {"replay", RunReplay},
    {"reduce", RunReduce},
};

int Misused(const std::string& what) {
  std::cerr << "ERROR: " << what << " (see holdfastctl --help)" << std::endl;
  return kTrouble;
}

// For a flag that it does not know, Abseil ends the process with 1, which here is an answer.
bool is_parsing = false;
void EndWithTrouble() {
  if (!is_parsing) return;
  std::cout.flush();
  _exit(kTrouble);
}

std::vector<char*> ParseFlags(int argc, char** argv) {
  std::atexit(EndWithTrouble);
  is_parsing = true;
  std::vector<char*> positional = absl::ParseCommandLine(argc, argv);
  is_parsing = false;
  return positional;
}

int RunCommand(int argc, char** argv) {
  absl::SetProgramUsageMessage(kUsage);
  absl::FlagsUsageConfig config;
  config.version_string = [] { return absl::StrCat("Holdfast ", kVersion, "\n"); };
  config.contains_help_flags = [](absl::string_view file) {
    return absl::StrContains(file, "holdfastctl/");
  };
  absl::SetFlagsUsageConfig(config);
  const std::vector<char*> arguments = ParseFlags(argc, argv);
  if (arguments.size() != 3) {
    return Misused(
        absl::StrCat(arguments.size() - 1, " arguments, must be 2: a command and a path"));
  }
  CommandOptions options;
  options.worker = absl::GetFlag(FLAGS_worker);
  options.runs = absl::GetFlag(FLAGS_runs);
  options.time_limit = absl::GetFlag(FLAGS_time_limit);
  options.output = absl::GetFlag(FLAGS_output);
  options.program_output = absl::GetFlag(FLAGS_program_output);
  // The service decides first: it alone can tell what failed.
  options.call_timeout = 2 * absl::GetFlag(FLAGS_step_timeout) + absl::Minutes(2);
  for (const char* name : kServiceFlags) {
    options.service_flags.push_back(
        absl::StrCat("--", name, "=", absl::FindCommandLineFlag(name)->CurrentValue()));
  }
  if (options.runs < 1 || options.runs > 1000) {
    return Misused(absl::StrCat("--runs is ", options.runs, ", must be in [1, 1000]"));
  }
  if (options.time_limit <= absl::ZeroDuration()) {
    return Misused(absl::StrCat("--time_limit is ", absl::FormatDuration(options.time_limit),
                                ", must be more than 0"));
  }
  const std::string name = arguments[1];
  for (const Command& command : kCommands) {
    if (name == command.name) return command.run(arguments[2], options);
  }
  return Misused(absl::StrCat("the command is ", name, ", must be list, show, replay or reduce"));
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  if (argc > 1 && absl::string_view(argv[1]) == holdfast::kPrivateFrontArgument) {
    return holdfast::RunPrivateFront(argc, argv);
  }
  switch (holdfast::TakeRole(&argc, argv)) {
    case holdfast::Role::kSpawner:
      return holdfast::RunSpawner(holdfast::kSpawnerControlFd);
    case holdfast::Role::kWorker:
      std::cerr << "ERROR: holdfastctl is no worker" << std::endl;
      return holdfast::kTrouble;
    case holdfast::Role::kFront:
      return holdfast::RunCommand(argc, argv);
  }
}
