// The link between the front and a worker.
#ifndef HOLDFAST_FRONTEND_SPAWNER_WORKER_LINK_H_
#define HOLDFAST_FRONTEND_SPAWNER_WORKER_LINK_H_

#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace holdfast {

// Two connected stream sockets, both CLOEXEC and non-blocking; nobody else can connect. They are of
// TCP over loopback, which makes a step cheaper than Unix sockets do: gRPC learns from a TCP
// socket that it has read all (TCP_INQ, tcp(7)), where it tries twice in vain with a Unix socket;
// and whoever writes to a Unix socket is woken when its peer has read. Where there is no loopback
// they are Unix sockets. Takes 20 ms at most, and that once in a process: where loopback was silent
// it is not asked again. RESOURCE_EXHAUSTED when the process is out of descriptors. Thread-safe.
absl::StatusOr<FdPair> MakeWorkerLink();

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SPAWNER_WORKER_LINK_H_
