// Serves a SessionHost: the public protocol and WorkerControl, on one thread.
#ifndef HOLDFAST_WORKER_WORKER_SERVER_H_
#define HOLDFAST_WORKER_WORKER_SERVER_H_

#include <string>

#include "absl/status/status.h"
#include "common/unique_fd.h"
#include "worker/session_host.h"

namespace holdfast {

// Serves the peer at the other end of `link`, a connected socket, on the calling thread. Returns
// only with an error; the process ends, with its whole group, when the peer goes.
absl::Status ServeLink(SessionHost* host, UniqueFd link);

// Serves whoever connects to `address` ("127.0.0.1:0"), and prints the port to stdout: to drive one
// worker alone, with any client. Does not return, but with an error.
absl::Status ServeAddress(SessionHost* host, const std::string& address);

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_WORKER_SERVER_H_
