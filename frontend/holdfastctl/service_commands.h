// What holdfastctl does with running services: a function for each command.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_SERVICE_COMMANDS_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_SERVICE_COMMANDS_H_

#include "frontend/holdfastctl/command_options.h"

namespace holdfast {

// Each takes the path of a service, that is its working directory or its admin socket, prints to
// stdout, errors to stderr, and returns an exit code.
int RunStatus(const Arguments& arguments, const CommandOptions& options);
int RunSessions(const Arguments& arguments, const CommandOptions& options);
int RunWorkers(const Arguments& arguments, const CommandOptions& options);
int RunFailures(const Arguments& arguments, const CommandOptions& options);
// kNo: it is not ready.
int RunHealth(const Arguments& arguments, const CommandOptions& options);
int RunMetrics(const Arguments& arguments, const CommandOptions& options);
int RunTop(const Arguments& arguments, const CommandOptions& options);
int RunLog(const Arguments& arguments, const CommandOptions& options);
int RunDrain(const Arguments& arguments, const CommandOptions& options);
// Takes the id of a worker, too. kNo: there is no such worker.
int RunKillWorker(const Arguments& arguments, const CommandOptions& options);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_SERVICE_COMMANDS_H_
