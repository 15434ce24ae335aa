// Has workers make the benchmarks that their session type brings, for clients that name one
// without sending it.
#ifndef HOLDFAST_FRONTEND_BENCHMARKS_BENCHMARK_MAKER_H_
#define HOLDFAST_FRONTEND_BENCHMARKS_BENCHMARK_MAKER_H_

#include <grpcpp/support/status.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "frontend/worker_source.h"
#include "proto/compiler_gym_service.pb.h"

namespace holdfast {

// Thread-safe.
class BenchmarkMaker {
 public:
  // The benchmark counts only if the status is OK.
  using Done = absl::AnyInvocable<void(const grpc::Status&, compiler_gym::Benchmark)>;

  // `limit`: the longest that one may take; `retries`: for a worker that dies of it. As for a call
  // of a session (--step_timeout, --step_retries).
  BenchmarkMaker(WorkerSource* workers, absl::Duration limit, int retries)
      : workers_(workers), limit_(limit), retries_(retries) {}

  // Borrows a worker that holds no session, by the turn of `client`, and asks it for the benchmark.
  // `done` runs once, on some thread, never from within this call. Its errors are those of a
  // StartSession whose Init fails, and may be its answer as they are.
  // Nothing is made that nobody wants when a worker is there: `is_wanted` is asked, on any thread.
  void Make(const std::string& uri, uint64_t client, absl::Time client_deadline,
            std::function<bool()> is_wanted, Done done);

 private:
  struct Order;

  void Acquire(const std::shared_ptr<Order>& order);
  void Call(const std::shared_ptr<Order>& order, Lease lease);
  void OnReply(const std::shared_ptr<Order>& order, Lease lease, const WorkerReply& reply);
  void OnFailed(const std::shared_ptr<Order>& order, WorkerFailure failure);

  WorkerSource* const workers_;
  const absl::Duration limit_;
  const int retries_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_BENCHMARKS_BENCHMARK_MAKER_H_
