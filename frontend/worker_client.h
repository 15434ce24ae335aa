// Calls to one worker. One of the three seams for tests.
#ifndef HOLDFAST_FRONTEND_WORKER_CLIENT_H_
#define HOLDFAST_FRONTEND_WORKER_CLIENT_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "common/worker_answer.h"

namespace holdfast {

enum class WorkerMethod {
  kDescribe,
  kStartSession,
  kStep,
  kHandleParameter,
  kFingerprint,
  kEndSession
};

struct WorkerReply {
  grpc::Status status;
  grpc::ByteBuffer message;
  // What the session says of itself. nullopt with an error status: the status is not the session's,
  // the link or the worker failed. nullopt with OK: the worker is no Holdfast worker.
  absl::optional<WorkerAnswer> answer;
};

// Thread-safe.
class WorkerClient {
 public:
  using Done = absl::AnyInvocable<void(WorkerReply)>;

  virtual ~WorkerClient() = default;

  // Starts a call, which ends by `deadline` (wall clock). `done` runs once, on some thread,
  // but never from within Call(). If the worker goes away the call fails; it is never re-sent.
  // At the very end of the service, with all clients answered, a call may be dropped instead.
  virtual void Call(WorkerMethod method, const grpc::ByteBuffer& request, absl::Time deadline,
                    Done done) = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_WORKER_CLIENT_H_
