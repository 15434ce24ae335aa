// grpc.health.v1 on the front's own queue. gRPC's default health service would be less code, but it
// is of the callback API: with it in the server, each step takes half as long again.
#ifndef HOLDFAST_FRONTEND_HEALTH_HEALTH_SERVICE_H_
#define HOLDFAST_FRONTEND_HEALTH_HEALTH_SERVICE_H_

#include <grpcpp/completion_queue.h>
#include <grpcpp/impl/service_type.h>

#include <cstddef>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "common/unary_server.h"
#include "frontend/health/readiness.h"
#include "proto/health.grpc.pb.h"

namespace holdfast {

// Knows "", which is the server, and the public service by its full name. All methods run on the
// queue's thread, unless said otherwise. Calls are answered until the queue ends, so that the
// service can say to its end that it does not serve.
class HealthService {
 public:
  // Calls of Watch at once. Those beyond are answered with RESOURCE_EXHAUSTED.
  static constexpr size_t kMaxWatches = 10000;

  // `readiness` outlives it.
  explicit HealthService(const Readiness* readiness);
  // After the queue has returned all tags.
  ~HealthService();

  // To be registered with the server.
  grpc::Service* service() { return &service_; }
  // Once, any thread, after the server was started.
  void Serve(grpc::ServerCompletionQueue* queue);

  // After a change of the readiness's state: tells all who watch. That a thread stands still only
  // Check tells, as nobody could tell when it is over.
  void TellWatches();

  // Ends all watches, now and from now on, with UNAVAILABLE. They would never end by themselves.
  void EndWatches();

 private:
  class Watch;
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;
  using RawHealth = grpc::health::v1::Health::WithRawMethod_Check<
      grpc::health::v1::Health::WithRawMethod_Watch<grpc::health::v1::Health::Service>>;

  Status StatusOf(absl::string_view service, bool is_serving) const;
  void Check(UnaryCall* call) const;
  // Waits for the next client that watches.
  void ListenForWatch();

  const Readiness* const readiness_;
  RawHealth service_;
  UnaryServer checks_;
  grpc::ServerCompletionQueue* queue_ = nullptr;
  bool is_ended_ = false;
  // One of them waits for a client.
  absl::flat_hash_map<Watch*, std::unique_ptr<Watch>> watches_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HEALTH_HEALTH_SERVICE_H_
