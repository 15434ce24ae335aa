// The eight methods of the public protocol: validate, find the session, call it, answer.
#ifndef HOLDFAST_FRONTEND_COMPILER_SERVICE_H_
#define HOLDFAST_FRONTEND_COMPILER_SERVICE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "common/raw_service.h"
#include "common/unary_server.h"
#include "frontend/benchmarks/benchmark_cache.h"
#include "frontend/benchmarks/benchmark_loader.h"
#include "frontend/benchmarks/benchmark_maker.h"
#include "frontend/metrics/metrics.h"
#include "frontend/session.h"
#include "frontend/session_table.h"
#include "frontend/worker_description.h"

namespace holdfast {

// The header of replies that names the service which has the session: see --front_name.
inline constexpr char kFrontHeader[] = "holdfast-front";

// In the order of the metric labels and of CompilerService::Methods().
std::vector<std::string> RpcMethodNames();

// Handlers run on the queue's thread. Sessions answer calls on whatever thread they are done.
class CompilerService {
 public:
  struct Dependencies {
    const SessionEnvironment* environment;
    SessionTable* table;
    BenchmarkCache* cache;
    const BenchmarkLoader* loader;
    WorkerDescription* description;
    Metrics* metrics;
    // Bytes of benchmarks and histories that may be held (--max_record_bytes).
    int64_t max_record_bytes;
    int max_sessions;
    std::string front_name;  // --front_name.
    std::function<void(absl::AnyInvocable<void()>)> run_on_queue;
    std::function<void(absl::AnyInvocable<void()>)> run_blocking;
  };

  explicit CompilerService(const Dependencies& dependencies);

  grpc::Service* service() { return &service_; }
  std::vector<UnaryServer::Method> Methods(grpc::ServerCompletionQueue* queue);

  // The parameters of the service itself: the benchmark cache's, and `service.benchmarks`, which
  // lists those that the workers' session type brings, as `description` says, a line each.
  static absl::optional<absl::StatusOr<std::string>> BuiltinParameter(
      BenchmarkCache* cache, const DescribeReply& description, absl::string_view key,
      absl::string_view value);

 private:
  using Call = std::shared_ptr<UnaryCall>;
  using Benchmarks = std::vector<compiler_gym::Benchmark>;

  void GetVersion(const Call& call);
  void GetSpaces(const Call& call);
  void StartSession(const Call& call);
  void ForkSession(const Call& call);
  void EndSession(const Call& call);
  void Step(const Call& call);
  void AddBenchmark(const Call& call);
  void SendSessionParameter(const Call& call);

  // Runs `use` with the workers' description, on the queue's thread, once there is one; or answers
  // the call with the reason why there is none.
  void WithDescription(const Call& call,
                       absl::AnyInvocable<void(const DescribeReply& description)> use);
  void StartDescribed(const Call& call,
                      const std::shared_ptr<compiler_gym::StartSessionRequest>& request,
                      const DescribeReply& description);
  // Starts it with the program that the request brings.
  void StartSent(const Call& call,
                 const std::shared_ptr<compiler_gym::StartSessionRequest>& request);
  // Starts it with what a client has sent before.
  void StartCached(const Call& call, const compiler_gym::StartSessionRequest& request);
  // Starts it with what a worker makes, now or before.
  void StartMade(const Call& call,
                 const std::shared_ptr<compiler_gym::StartSessionRequest>& request);
  void Start(const Call& call, const compiler_gym::StartSessionRequest& request,
             std::shared_ptr<const compiler_gym::Benchmark> benchmark);
  // Checks `benchmarks`, reads their files, and adds all or none to the cache. `then` runs on the
  // queue's thread. `field` names the benchmark of an index, for messages.
  using FieldName = std::function<std::string(size_t index)>;
  void AddToCache(const FieldName& field, Benchmarks benchmarks,
                  absl::AnyInvocable<void(const absl::Status&)> then);
  void AddLoaded(Benchmarks benchmarks);
  // Ends a new session if the caller goes before it learns of it.
  void EndUnlessDelivered(const Call& call, int64_t new_id);
  // Null, and the call is answered, if there is no such session.
  std::shared_ptr<Session> FindSession(const Call& call, int64_t id);
  int64_t RecordBytes() const;  // Benchmarks and histories.
  // RESOURCE_EXHAUSTED if they take too much, with `new_bytes` of benchmarks on top, even when the
  // cache gave what it could.
  absl::Status CheckRecordBudget(int64_t new_bytes = 0);
  // RESOURCE_EXHAUSTED: there is no place for another session.
  absl::Status ReserveSession();
  // The call's answer is given up with the call.
  static void AbandonWith(const Call& call, const std::shared_ptr<Session>& session,
                          Session::Ticket ticket);

  const Dependencies deps_;
  BenchmarkMaker maker_;
  RawCompilerGymService service_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_COMPILER_SERVICE_H_
