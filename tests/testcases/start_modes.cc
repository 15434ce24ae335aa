#include "tests/testcases/start_modes.h"

#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/testcases/misbehaviour.h"

// Given to workers by the front's --worker_flags. Declared so that the runtime accepts them too;
// main() reads them before that.
ABSL_FLAG(std::string, start_mode, "ok",
          "How a worker starts: ok, slow, hang, crash, exit_0, exit_1 or exit_127.");
ABSL_FLAG(std::string, start_marker, "",
          "A file that grows by one byte with each start of a worker; empty: none.");
ABSL_FLAG(int, start_failures, 1,
          "With --start_marker: how many starts misbehave, until the file is longer than that.");

namespace holdfast {
namespace {

struct StartMode {
  const char* name;
  void (*act)();
};

const StartMode kStartModes[] = {
    {"ok", [] {}},
    {"slow", [] { absl::SleepFor(absl::Seconds(1)); }},
    {"hang", [] { Hang(); }},
    {"crash", [] { Die(SIGSEGV); }},
    {"exit_0", [] { exit(0); }},
    {"exit_1", [] { exit(1); }},
    {"exit_127", [] { exit(127); }},
};

}  // namespace

std::string Argument(int argc, char** argv, absl::string_view name, std::string value) {
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (absl::ConsumePrefix(&argument, absl::StrCat("--", name, "=")))
      value = std::string(argument);
  }
  return value;
}

void StartAsTold(int argc, char** argv) {
  const std::string mode = Argument(argc, argv, "start_mode", "ok");
  const std::string marker_file = Argument(argc, argv, "start_marker", "");
  int failures = 1;
  if (!absl::SimpleAtoi(Argument(argc, argv, "start_failures", "1"), &failures)) exit(2);
  if (!marker_file.empty() && !IsAmongFirst(marker_file, failures)) return;
  const StartMode* const start_mode =
      std::find_if(std::begin(kStartModes), std::end(kStartModes),
                   [&](const StartMode& row) { return mode == row.name; });
  if (start_mode == std::end(kStartModes)) exit(2);
  if (mode != "ok") WriteToStderr(absl::StrCat("starting with start_mode=", mode, "\n"));
  start_mode->act();
}

}  // namespace holdfast
