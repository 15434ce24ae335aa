// What holdfastctl does with crash reports: a function for each command.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_COMMANDS_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_COMMANDS_H_

#include "frontend/holdfastctl/command_options.h"

namespace holdfast {

// Each takes the path of a report, or of a directory of reports, prints to stdout, errors to
// stderr, and returns an exit code: kYes, it fails in the same way (list, show: done); kNo, it does
// not; kTrouble.
int RunList(const Arguments& arguments, const CommandOptions& options);
int RunShow(const Arguments& arguments, const CommandOptions& options);
int RunReplay(const Arguments& arguments, const CommandOptions& options);
int RunReduce(const Arguments& arguments, const CommandOptions& options);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_COMMANDS_H_
