// The front: puts the parts together, runs them, and takes them apart in the right order.
#ifndef HOLDFAST_FRONTEND_FRONTEND_H_
#define HOLDFAST_FRONTEND_FRONTEND_H_

#include <string>

namespace holdfast {

// Runs the service until SIGTERM or SIGINT. Returns the exit code: 0 after a drain, 1 if it could
// not be started, with the reason on stderr. `is_worker`: this binary can also play the worker, and
// does so if --worker names no other.
int RunFrontend(int argc, char** argv, const std::string& usage, bool is_worker);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_FRONTEND_H_
