// holdfastctl: asks running services, and looks into crash reports.
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/reflection.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/roles.h"
#include "common/version.h"
#include "frontend/holdfastctl/command_options.h"
#include "frontend/holdfastctl/commands.h"
#include "frontend/holdfastctl/private_service.h"
#include "frontend/holdfastctl/service_commands.h"
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

ABSL_FLAG(bool, json, false, "Of a running service: prints JSON, with all that is known.");
ABSL_FLAG(bool, wait, false, "drain: waits until the process of the service is gone.");
ABSL_FLAG(int, lines, 20, "log: how many lines of its end. 0 to 10000.");
ABSL_FLAG(bool, follow, false, "log: goes on with what is logged, until the service ends.");
ABSL_FLAG(bool, raw, false, "metrics: all of it, as Prometheus gets it.");
ABSL_FLAG(absl::Duration, interval, absl::Seconds(1),
          "top: how long it waits between two answers. At least 100ms.");
ABSL_FLAG(int, iterations, 0, "top: how many answers it shows; 0: until Ctrl-C. At least 0.");

// The front's. Given as a flag, it replaces the worker that the report names.
ABSL_DECLARE_FLAG(std::string, worker);
ABSL_DECLARE_FLAG(absl::Duration, step_timeout);

namespace holdfast {
namespace {

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

// What a command is about.
enum class Subject { kService, kReports };

struct Command {
  Subject subject;
  const char* name;
  const char* arguments;  // Their names, with a space between them.
  const char* help;
  int (*run)(const Arguments& arguments, const CommandOptions& options);
};

constexpr Command kCommands[] = {
    {Subject::kService, "status", "PATH", "what it is doing", RunStatus},
    {Subject::kService, "health", "PATH", "whether it is ready, and if not, why", RunHealth},
    {Subject::kService, "sessions", "PATH", "those with the latest calls first", RunSessions},
    {Subject::kService, "workers", "PATH", "and those that ended last", RunWorkers},
    {Subject::kService, "failures", "PATH", "of workers that had a session, the latest first",
     RunFailures},
    {Subject::kService, "metrics", "PATH", "those that are not zero (--raw: all)", RunMetrics},
    {Subject::kService, "top", "PATH", "a live view (--interval, --iterations)", RunTop},
    {Subject::kService, "log", "PATH", "its end (--lines), and what follows it (--follow)", RunLog},
    {Subject::kService, "drain", "PATH", "ends it in good order (--wait: and waits for that)",
     RunDrain},
    {Subject::kService, "kill-worker", "PATH ID", "kills a worker; its session goes on in another",
     RunKillWorker},
    {Subject::kReports, "list", "DIR", "the reports in a directory, the one last seen at the end",
     RunList},
    {Subject::kReports, "show", "FILE", "all that is in a report", RunShow},
    {Subject::kReports, "replay", "FILE", "whether it still fails, in a fresh worker", RunReplay},
    {Subject::kReports, "reduce", "FILE", "to the fewest actions that fail in the same way",
     RunReduce},
};

std::string UsageOf(Subject subject) {
  std::string usage;
  for (const Command& command : kCommands) {
    if (command.subject != subject) continue;
    absl::StrAppendFormat(&usage, "  %-20s %s\n",
                          absl::StrCat(command.name, " ", command.arguments), command.help);
  }
  return usage;
}

std::string Usage() {
  return absl::StrCat(R"(Asks running services of Holdfast, and makes crashes happen again.

Of a running service; PATH is its working directory or its admin socket:
)",
                      UsageOf(Subject::kService), R"(
With --json most of them print all that is known.

Of crash reports:
)",
                      UsageOf(Subject::kReports), R"(
replay and reduce RUN WHAT THE REPORT HOLDS: the worker that it names, on the
program in it, with the rights of the user. Use them on reports that you trust.
--worker=PATH runs another worker. For LLVM they print what to run with opt, too.
A worker that is replayed is limited as by a service, by these flags of it:
--step_timeout, --step_cpu_limit, --worker_start_timeout,
--worker_memory_limit_bytes, --worker_file_limit_bytes, --worker_process_limit,
--worker_cgroups, --max_message_bytes, --allow_benchmark_commands
(holdfast --help has their meaning and defaults).

Exit code: 0 done, or yes; 1 no: it is not ready, there is no such worker, it
does not fail in the same way; 2 error.)");
}

std::string CommandNames() {
  return absl::StrJoin(kCommands, ", ", [](std::string* names, const Command& command) {
    absl::StrAppend(names, command.name);
  });
}

int Misused(absl::string_view what) {
  return Trouble(absl::StrCat(what, " (see holdfastctl --help)"));
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

absl::StatusOr<CommandOptions> ReadOptions() {
  CommandOptions options;
  options.json = absl::GetFlag(FLAGS_json);
  options.wait = absl::GetFlag(FLAGS_wait);
  options.lines = absl::GetFlag(FLAGS_lines);
  options.follow = absl::GetFlag(FLAGS_follow);
  options.raw = absl::GetFlag(FLAGS_raw);
  options.interval = absl::GetFlag(FLAGS_interval);
  options.iterations = absl::GetFlag(FLAGS_iterations);
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
  const struct {
    const char* flag;
    bool is_good;
    const char* range;
  } checks[] = {
      {"runs", options.runs >= 1 && options.runs <= 1000, "in [1, 1000]"},
      {"time_limit", options.time_limit > absl::ZeroDuration(), "more than 0"},
      {"lines", options.lines >= 0 && options.lines <= 10000, "in [0, 10000]"},
      {"interval", options.interval >= absl::Milliseconds(100), "at least 100ms"},
      {"iterations", options.iterations >= 0, "at least 0"},
  };
  for (const auto& check : checks) {
    if (check.is_good) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "--", check.flag, " is ", absl::FindCommandLineFlag(check.flag)->CurrentValue(),
        ", must be ", check.range));
  }
  return options;
}

int RunCommand(int argc, char** argv) {
  absl::SetProgramUsageMessage(Usage());
  absl::FlagsUsageConfig config;
  config.version_string = [] { return absl::StrCat("Holdfast ", kVersion, "\n"); };
  config.contains_help_flags = [](absl::string_view file) {
    return absl::StrContains(file, "holdfastctl/");
  };
  absl::SetFlagsUsageConfig(config);
  const std::vector<char*> words = ParseFlags(argc, argv);
  if (words.size() < 2) return Misused(absl::StrCat("no command, must be one of ", CommandNames()));
  const auto command = absl::c_find_if(
      kCommands, [&words](const Command& one) { return one.name == absl::string_view(words[1]); });
  if (command == std::end(kCommands)) {
    return Misused(absl::StrCat("the command is ", words[1], ", must be one of ", CommandNames()));
  }
  const Arguments arguments(words.begin() + 2, words.end());
  const std::vector<std::string> names = absl::StrSplit(command->arguments, ' ');
  if (arguments.size() != names.size()) {
    return Misused(absl::StrCat(command->name, " has ", arguments.size(), " arguments, must have ",
                                names.size(), ": ", command->arguments));
  }
  const absl::StatusOr<CommandOptions> options = ReadOptions();
  return options.ok() ? command->run(arguments, *options) : Misused(options.status().message());
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
