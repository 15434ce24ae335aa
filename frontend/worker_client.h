// Calls to one worker. One of the three seams for tests.
#ifndef HOLDFAST_FRONTEND_WORKER_CLIENT_H_
#define HOLDFAST_FRONTEND_WORKER_CLIENT_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <cstdint>
#include <memory>

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
  kSnapshot,
  kRestore,
  kMakeBenchmark,
  kEndSession
};

struct WorkerReply {
  grpc::Status status;
  grpc::ByteBuffer message;
  // What the session says of itself. nullopt with an error status: the status is not the session's,
  // the link or the worker failed. nullopt with OK: the worker is no Holdfast worker.
  absl::optional<WorkerAnswer> answer;
};

// Tells whether the same call is still under way as when one last looked, without a clock on the
// way of a call: odd during calls, and never twice the same. Thread-safe.
class CallCounter {
 public:
  void Begun() { ++count_; }
  void Ended() { ++count_; }
  uint64_t Get() const { return count_.load(std::memory_order_relaxed); }
  static bool IsUnderWay(uint64_t count) { return count % 2 != 0; }

 private:
  std::atomic<uint64_t> count_{0};
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

  // The worker has a step lane (worker_control.proto). By who made this, before anybody steps.
  virtual void UseStepLane() {}

  // Counts the calls, of which there is one at a time while the worker is on loan.
  const CallCounter& call_counter() const { return *call_counter_; }

 protected:
  const std::shared_ptr<CallCounter> call_counter_ = std::make_shared<CallCounter>();
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_WORKER_CLIENT_H_
