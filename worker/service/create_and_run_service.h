// What the main() of a session type calls. The only package that knows both the front and the
// worker.
#ifndef HOLDFAST_WORKER_SERVICE_CREATE_AND_RUN_SERVICE_H_
#define HOLDFAST_WORKER_SERVICE_CREATE_AND_RUN_SERVICE_H_

#include <string>

#include "worker/compilation_session.h"

namespace holdfast {

// See CreateAndRunService(). `type` is called only if this process is to be a worker.
int RunService(int argc, char** argv, const std::string& usage, SessionType (*type)());

// Runs a whole compiler service for sessions of type `Session`: this process becomes the front, and
// starts this same binary again as its workers. Returns the exit code for main(): 0 after SIGTERM
// or SIGINT, 1 if the service could not be started. `usage` heads the text of --help.
template <typename Session>
int CreateAndRunService(int argc, char** argv, const std::string& usage) {
  return RunService(argc, argv, usage, &SessionTypeOf<Session>);
}

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_SERVICE_CREATE_AND_RUN_SERVICE_H_
