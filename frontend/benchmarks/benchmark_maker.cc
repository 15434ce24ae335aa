#include "frontend/benchmarks/benchmark_maker.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "common/byte_buffer.h"
#include "common/status.h"
#include "frontend/failure_status.h"
#include "proto/worker_control.pb.h"

namespace holdfast {
namespace {

// How long a worker whose link failed may take to end by itself: its exit tells more than our kill.
constexpr absl::Duration kExitGrace = absl::Milliseconds(200);

}  // namespace

struct BenchmarkMaker::Order {
  std::string uri;
  uint64_t client;
  absl::Time budget;
  bool is_limit_ours;  // Not the caller's deadline.
  std::function<bool()> is_wanted;
  Done done;
  int attempts = 0;
};

void BenchmarkMaker::Make(const std::string& uri, uint64_t client, absl::Time client_deadline,
                          std::function<bool()> is_wanted, Done done) {
  const absl::Time now = absl::Now();
  const absl::Time budget = CallBudget(now, limit_, client_deadline);
  Acquire(std::make_shared<Order>(
      Order{uri, client, budget, budget == now + limit_, std::move(is_wanted), std::move(done)}));
}

void BenchmarkMaker::Acquire(const std::shared_ptr<Order>& order) {
  WorkerRequest request;
  request.timeout = std::max(order->budget - absl::Now(), absl::ZeroDuration());
  request.client = order->client;
  workers_->Acquire(
      std::move(request),
      [this, order](absl::StatusOr<Lease> lease) {
        if (!lease.ok()) {
          order->done(ToGrpcStatus(lease.status()), {});
        } else if (order->is_wanted()) {
          Call(order, *std::move(lease));
        } else {
          workers_->Return(*std::move(lease));
          order->done(grpc::Status::CANCELLED, {});
        }
      },
      [](const WorkerFailure&) {});  // The call fails, too.
}

void BenchmarkMaker::Call(const std::shared_ptr<Order>& order, Lease lease) {
  ++order->attempts;
  MakeBenchmarkRequest request;
  request.set_uri(order->uri);
  WorkerClient& client = *lease.client;
  client.Call(WorkerMethod::kMakeBenchmark, Serialize(request), order->budget,
              [this, order, lease = std::move(lease)](const WorkerReply& reply) mutable {
                OnReply(order, std::move(lease), reply);
              });
}

void BenchmarkMaker::OnReply(const std::shared_ptr<Order>& order, Lease lease,
                             const WorkerReply& reply) {
  if (!reply.status.ok() && !reply.answer.has_value()) {
    const bool is_late = reply.status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
    workers_->Discard(std::move(lease), is_late ? WorkerFailure::TIME_LIMIT : WorkerFailure::LINK,
                      is_late ? absl::ZeroDuration() : kExitGrace,
                      [this, order](const WorkerFailure& failure) { OnFailed(order, failure); });
    return;
  }
  workers_->Return(std::move(lease));
  MakeBenchmarkReply made;
  if (!reply.status.ok()) {
    order->done(TranslateSessionStatus(WorkerMethod::kStartSession, reply.status), {});
  } else if (!Parse(reply.message, &made).ok()) {
    order->done(grpc::Status(grpc::StatusCode::INTERNAL, "the worker's reply is malformed"), {});
  } else {
    // What the client asked for is its name, whatever the worker calls it.
    made.mutable_benchmark()->set_uri(order->uri);
    order->done(grpc::Status::OK, std::move(*made.mutable_benchmark()));
  }
}

void BenchmarkMaker::OnFailed(const std::shared_ptr<Order>& order, WorkerFailure failure) {
  const Verdict verdict =
      JudgeFailure(failure.cause(), order->attempts, retries_, order->budget - absl::Now());
  if (verdict == Verdict::kRetry) {
    Acquire(order);
    return;
  }
  failure.set_during("StartSession");
  failure.set_attempts(order->attempts);
  order->done(StartFailureStatus(order->uri, verdict, order->is_limit_ours, failure), {});
}

}  // namespace holdfast
