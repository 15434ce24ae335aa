// Where sessions get their workers: the pool, as a session sees it.
#ifndef HOLDFAST_FRONTEND_WORKER_SOURCE_H_
#define HOLDFAST_FRONTEND_WORKER_SOURCE_H_

#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "frontend/client_files.h"
#include "frontend/worker_client.h"
#include "proto/worker_failure.pb.h"

namespace holdfast {

// A worker on loan, which holds no session: fresh, or cleaned after another.
struct Lease {
  uint64_t worker_id = 0;  // The process, of which there is one lease at a time. 0: no lease.
  std::shared_ptr<WorkerClient> client;
  std::shared_ptr<ClientFiles> client_files;  // Null: it has none.

  explicit operator bool() const { return worker_id != 0; }
};

// Who has a worker on loan. Thread-safe.
class Borrower {
 public:
  virtual ~Borrower() = default;
  // When the last call on the worker ended; InfiniteFuture during one.
  virtual absl::Time idle_since() const = 0;
  // Others need the worker, or it has grown: gives it back soon, after the call under way. False:
  // not now.
  virtual bool AskBack() = 0;
  // Others need it no more: one that has not been given back yet may stay.
  virtual void Withdraw() = 0;
};

struct WorkerRequest {
  // The longest to wait.
  absl::Duration timeout;
  // Does not wait, and takes only what nobody else waits for: RESOURCE_EXHAUSTED if there is none.
  bool only_spare = false;
  // Who asks: those who wait are served in turn, client by client, and each client's requests in
  // their order.
  uint64_t client = 0;
  // Is asked for the worker when others wait for one. Null: never. Held until the lease is given
  // back.
  std::shared_ptr<Borrower> borrower;
};

// Thread-safe. Callbacks run on the supervision thread, without locks, and never from within a
// call.
class WorkerSource {
 public:
  using OnLease = absl::AnyInvocable<void(absl::StatusOr<Lease>)>;
  using OnFailure = absl::AnyInvocable<void(const WorkerFailure&)>;
  // Names a request.
  struct Ticket {
    uint64_t client = 0;
    uint64_t number = 0;  // 0: none.
  };

  virtual ~WorkerSource() = default;

  // `on_lease` runs exactly once, unless it is cancelled. RESOURCE_EXHAUSTED: none became free
  // within the timeout. UNAVAILABLE: workers cannot be started; the message tells why. `on_exit`
  // runs at most once, and only after a lease: when the worker ends without having been given back.
  virtual Ticket Acquire(WorkerRequest request, OnLease on_lease, OnFailure on_exit) = 0;
  // Nobody needs the lease any more: if the request still waits, `on_lease` is destroyed unrun.
  virtual void Cancel(const Ticket& ticket) = 0;

  // Every lease is given back by exactly one of these three, also that of a worker that has ended.

  // It was not used: the next session may have it.
  virtual void Return(Lease lease) = 0;
  // Its session is over, in good order. The worker is told; its process ends, or serves another
  // session.
  virtual void Release(Lease lease) = 0;
  // It failed, or must go now: kills the worker unless it ends by itself within `grace`. `cause` is
  // the reason if it has to be killed. `on_gone` runs exactly once, when the process has ended, or
  // some seconds after it should have.
  virtual void Discard(Lease lease, WorkerFailure::Cause cause, absl::Duration grace,
                       OnFailure on_gone) = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_WORKER_SOURCE_H_
