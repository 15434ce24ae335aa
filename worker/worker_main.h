// The worker role of a binary that was made with the SDK.
#ifndef HOLDFAST_WORKER_WORKER_MAIN_H_
#define HOLDFAST_WORKER_WORKER_MAIN_H_

#include "worker/compilation_session.h"

namespace holdfast {

// Runs this process as a worker that holds one session of `type`. The link to the front is fd 3,
// unless --worker_listen is given. Returns the exit code; normally the process is killed instead.
int RunWorker(int argc, char** argv, SessionType type);

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_WORKER_MAIN_H_
