// The methods of a worker, as bytes: the public protocol and WorkerControl on a SessionHost.
#ifndef HOLDFAST_WORKER_HOST_METHODS_H_
#define HOLDFAST_WORKER_HOST_METHODS_H_

#include <grpcpp/support/byte_buffer.h>

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/worker_answer.h"
#include "worker/session_host.h"

namespace holdfast {

struct HostMethod {
  absl::string_view name;  // As in the protocol, without the service.
  // Parses `request` (any bytes), calls the host, and writes the reply, which is empty with an
  // error. INVALID_ARGUMENT, clean, if the request cannot be parsed.
  std::function<absl::Status(SessionHost* host, const grpc::ByteBuffer& request,
                             grpc::ByteBuffer* reply, WorkerAnswer* answer)>
      call;
};

// All there are, always in the same order.
const std::vector<HostMethod>& HostMethods();

// `name` must be one of them.
const HostMethod& FindHostMethod(absl::string_view name);

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_HOST_METHODS_H_
