#include "frontend/compiler_service.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/benchmark_uri.h"
#include "common/byte_buffer.h"
#include "common/status.h"
#include "frontend/logging/log.h"
#include "frontend/session_id.h"
#include "frontend/step_request.h"

namespace holdfast {
namespace {

using Raw = RawCompilerGymService;

constexpr absl::string_view kBenchmarks = "service.benchmarks";
constexpr absl::string_view kCacheParameters = "service.benchmark_cache.";

// False, and the call is answered, if the request is malformed.
bool ParseRequest(UnaryCall& call, google::protobuf::Message* request) {
  const absl::Status parsed = Parse(call.request(), request);
  if (!parsed.ok()) call.Finish(ToGrpcStatus(parsed));
  return parsed.ok();
}

// Names the connection of a call.
uint64_t ConnectionOf(UnaryCall& call) { return absl::HashOf(call.context().peer()); }

Session::Caller CallerOf(UnaryCall& call) { return {ConnectionOf(call), call.deadline()}; }

}  // namespace

std::vector<std::string> RpcMethodNames() {
  return {"GetVersion", "GetSpaces", "StartSession", "ForkSession",
          "EndSession", "Step",      "AddBenchmark", "SendSessionParameter"};
}

CompilerService::CompilerService(const Dependencies& dependencies)
    : deps_(dependencies),
      maker_(deps_.environment->workers, deps_.environment->step_timeout,
             deps_.environment->step_retries) {}

std::vector<UnaryServer::Method> CompilerService::Methods(grpc::ServerCompletionQueue* queue) {
  const auto bind = [&](const char* name, auto request,
                        void (CompilerService::*handle)(const Call&)) {
    // A header costs time. Whoever makes a step has been told before.
    const bool is_named = !deps_.front_name.empty() && handle != &CompilerService::Step;
    return BindMethod<Raw>(name, &service_, queue, request,
                           [this, handle, is_named](const Call& call) {
                             if (is_named) {
                               call->context().AddInitialMetadata(kFrontHeader, deps_.front_name);
                             }
                             (this->*handle)(call);
                           });
  };
  return {
      bind("GetVersion", &Raw::RequestGetVersion, &CompilerService::GetVersion),
      bind("GetSpaces", &Raw::RequestGetSpaces, &CompilerService::GetSpaces),
      bind("StartSession", &Raw::RequestStartSession, &CompilerService::StartSession),
      bind("ForkSession", &Raw::RequestForkSession, &CompilerService::ForkSession),
      bind("EndSession", &Raw::RequestEndSession, &CompilerService::EndSession),
      bind("Step", &Raw::RequestStep, &CompilerService::Step),
      bind("AddBenchmark", &Raw::RequestAddBenchmark, &CompilerService::AddBenchmark),
      bind("SendSessionParameter", &Raw::RequestSendSessionParameter,
           &CompilerService::SendSessionParameter),
  };
}

void CompilerService::WithDescription(
    const Call& call, absl::AnyInvocable<void(const DescribeReply& description)> use) {
  if (const WorkerDescription::Described described = deps_.description->Get()) {
    use(*described);
    return;
  }
  deps_.description->Await([this, call, use = std::move(use)](
                               absl::StatusOr<WorkerDescription::Described> described) mutable {
    deps_.run_on_queue([call, use = std::move(use), described = std::move(described)]() mutable {
      if (call->is_answered()) return;
      if (described.ok()) {
        use(**described);
      } else {
        call->Finish(ToGrpcStatus(described.status()));
      }
    });
  });
}

void CompilerService::GetVersion(const Call& call) {
  compiler_gym::GetVersionRequest request;
  if (!ParseRequest(*call, &request)) return;
  WithDescription(call, [call](const DescribeReply& description) {
    call->Finish(grpc::Status::OK, Serialize(description.version()));
  });
}

void CompilerService::GetSpaces(const Call& call) {
  compiler_gym::GetSpacesRequest request;
  if (!ParseRequest(*call, &request)) return;
  WithDescription(call, [call](const DescribeReply& description) {
    call->Finish(grpc::Status::OK, Serialize(description.spaces()));
  });
}

void CompilerService::StartSession(const Call& call) {
  auto request = std::make_shared<compiler_gym::StartSessionRequest>();
  if (!ParseRequest(*call, request.get())) return;
  if (request->benchmark().uri().empty()) {
    call->Finish(ToGrpcStatus(absl::InvalidArgumentError("benchmark.uri is missing")));
    return;
  }
  WithDescription(call, [this, call, request](const DescribeReply& description) {
    StartDescribed(call, request, description);
  });
}

void CompilerService::StartDescribed(
    const Call& call, const std::shared_ptr<compiler_gym::StartSessionRequest>& request,
    const DescribeReply& description) {
  const auto& spaces = description.spaces();
  absl::Status status =
      CheckIndex("action_space", request->action_space(), spaces.action_space_list_size());
  for (const int index : request->observation_space()) {
    if (!status.ok()) break;
    status = CheckIndex("observation_space", index, spaces.observation_space_list_size());
  }
  if (!status.ok()) {
    call->Finish(ToGrpcStatus(status));
    return;
  }
  if (!request->benchmark().has_program()) {
    if (IsBenchmarkOf(description.benchmark_uri(), request->benchmark().uri())) {
      StartMade(call, request);
    } else {
      StartCached(call, *request);
    }
    return;
  }
  StartSent(call, request);
}

void CompilerService::StartSent(const Call& call,
                                const std::shared_ptr<compiler_gym::StartSessionRequest>& request) {
  // A benchmark that brings its program need not have been added before.
  Benchmarks benchmarks(1);
  benchmarks[0].Swap(request->mutable_benchmark());
  request->mutable_benchmark()->set_uri(benchmarks[0].uri());
  AddToCache([](size_t) { return std::string("benchmark"); }, std::move(benchmarks),
             [this, call, request](const absl::Status& added) {
               if (added.ok() && !call->is_answered()) {
                 StartCached(call, *request);
               } else {
                 call->Finish(ToGrpcStatus(added));
               }
             });
}

void CompilerService::StartMade(const Call& call,
                                const std::shared_ptr<compiler_gym::StartSessionRequest>& request) {
  const std::string& uri = request->benchmark().uri();
  if (auto benchmark = deps_.cache->Find(uri)) {
    Start(call, *request, std::move(benchmark));
    return;
  }
  maker_.Make(
      uri, ConnectionOf(*call), call->deadline(), [call] { return !call->is_answered(); },
      [this, call, request](const grpc::Status& status, compiler_gym::Benchmark made) {
        deps_.run_on_queue([this, call, request, status, made = std::move(made)]() mutable {
          if (!status.ok() || call->is_answered()) {
            call->Finish(status);
            return;
          }
          // As if the client had sent it.
          request->mutable_benchmark()->Swap(&made);
          deps_.loader->DropRefusedCommands(request->mutable_benchmark());
          StartSent(call, request);
        });
      });
}

void CompilerService::StartCached(const Call& call,
                                  const compiler_gym::StartSessionRequest& request) {
  auto benchmark = deps_.cache->Find(request.benchmark().uri());
  if (benchmark == nullptr) {
    call->Finish(ToGrpcStatus(
        absl::NotFoundError(absl::StrCat("Benchmark not found: ", request.benchmark().uri()))));
    return;
  }
  Start(call, request, std::move(benchmark));
}

void CompilerService::Start(const Call& call, const compiler_gym::StartSessionRequest& request,
                            std::shared_ptr<const compiler_gym::Benchmark> benchmark) {
  absl::Status budget = CheckRecordBudget();
  if (budget.ok()) budget = ReserveSession();
  if (!budget.ok()) {
    call->Finish(ToGrpcStatus(budget));
    return;
  }
  auto session = std::make_shared<Session>(
      RandomSessionId(), SessionOrigin{std::move(benchmark), request.action_space()},
      deps_.environment);
  EndUnlessDelivered(call, session->id());
  const Session::Ticket ticket =
      session->Start(request.observation_space(), CallerOf(*call),
                     [call, session, table = deps_.table](const grpc::Status& status,
                                                          const grpc::ByteBuffer& reply) {
                       // Before the client can use it.
                       status.ok() ? table->Insert(session) : table->Forgo();
                       call->Finish(status, reply);
                     });
  AbandonWith(call, session, ticket);
}

void CompilerService::ForkSession(const Call& call) {
  compiler_gym::ForkSessionRequest request;
  if (!ParseRequest(*call, &request)) return;
  const std::shared_ptr<Session> session = FindSession(call, request.session_id());
  if (session == nullptr) return;
  const absl::Status budget = ReserveSession();
  if (!budget.ok()) {
    call->Finish(ToGrpcStatus(budget));
    return;
  }
  const int64_t new_id = RandomSessionId();
  EndUnlessDelivered(call, new_id);
  const Session::Ticket ticket = session->Fork(
      new_id, CallerOf(*call),
      [call, table = deps_.table](const grpc::Status& status, std::shared_ptr<Session> child) {
        if (!status.ok()) {
          table->Forgo();
          call->Finish(status);
          return;
        }
        compiler_gym::ForkSessionReply reply;
        reply.set_session_id(child->id());
        table->Insert(std::move(child));
        call->Finish(status, Serialize(reply));
      });
  AbandonWith(call, session, ticket);
}

void CompilerService::EndUnlessDelivered(const Call& call, int64_t new_id) {
  call->OnUndelivered([new_id, table = deps_.table] {
    int remaining = 0;
    const std::shared_ptr<Session> session = table->Remove(new_id, &remaining);
    if (session != nullptr) session->End();
  });
}

void CompilerService::EndSession(const Call& call) {
  compiler_gym::EndSessionRequest request;
  if (!ParseRequest(*call, &request)) return;
  int remaining = 0;
  const std::shared_ptr<Session> session = deps_.table->Remove(request.session_id(), &remaining);
  if (session != nullptr) session->End();
  compiler_gym::EndSessionReply reply;
  reply.set_remaining_sessions(remaining);
  call->Finish(grpc::Status::OK, Serialize(reply));
}

void CompilerService::Step(const Call& call) {
  absl::StatusOr<StepRequestView> view = ScanStepRequest(call->request());
  if (!view.ok()) {
    call->Finish(ToGrpcStatus(view.status()));
    return;
  }
  const std::shared_ptr<Session> session = FindSession(call, view->session_id);
  if (session == nullptr) return;
  const absl::Status budget = CheckRecordBudget();
  if (!budget.ok()) {
    call->Finish(ToGrpcStatus(budget));
    return;
  }
  const Session::Ticket ticket =
      session->Step(*std::move(view), call->request(), CallerOf(*call),
                    [call](const grpc::Status& status, const grpc::ByteBuffer& reply) {
                      call->Finish(status, reply);
                    });
  AbandonWith(call, session, ticket);
}

void CompilerService::AddBenchmark(const Call& call) {
  compiler_gym::AddBenchmarkRequest request;
  if (!ParseRequest(*call, &request)) return;
  Benchmarks benchmarks(std::make_move_iterator(request.mutable_benchmark()->begin()),
                        std::make_move_iterator(request.mutable_benchmark()->end()));
  AddToCache([](size_t i) { return absl::StrCat("benchmark[", i, "]"); }, std::move(benchmarks),
             [call](const absl::Status& status) {
               if (status.ok()) {
                 call->Finish(grpc::Status::OK, Serialize(compiler_gym::AddBenchmarkReply()));
               } else {
                 call->Finish(ToGrpcStatus(status));
               }
             });
}

void CompilerService::AddToCache(const FieldName& field, Benchmarks benchmarks,
                                 absl::AnyInvocable<void(const absl::Status&)> then) {
  int64_t bytes = 0;
  for (const auto& benchmark : benchmarks) bytes += static_cast<int64_t>(benchmark.ByteSizeLong());
  absl::Status status = CheckRecordBudget(bytes);
  bool has_files = false;
  for (size_t i = 0; i < benchmarks.size() && status.ok(); ++i) {
    status = deps_.loader->Check(field(i), benchmarks[i]);
    has_files = has_files || BenchmarkLoader::IsFile(benchmarks[i]);
  }
  if (!status.ok() || !has_files) {
    if (status.ok()) AddLoaded(std::move(benchmarks));
    then(status);
    return;
  }
  // A short request can name large files: what they take counts before they are read.
  int64_t bytes_left = deps_.max_record_bytes - RecordBytes();
  deps_.run_blocking([this, field, bytes_left, benchmarks = std::move(benchmarks),
                      then = std::move(then)]() mutable {
    absl::Status read;
    for (size_t i = 0; i < benchmarks.size() && read.ok(); ++i) {
      if (!BenchmarkLoader::IsFile(benchmarks[i])) continue;
      read = deps_.loader->ReadFile(field(i), &benchmarks[i], &bytes_left);
    }
    deps_.run_on_queue(
        [this, read, benchmarks = std::move(benchmarks), then = std::move(then)]() mutable {
          if (read.ok()) AddLoaded(std::move(benchmarks));
          then(read);
        });
  });
}

void CompilerService::AddLoaded(Benchmarks benchmarks) {
  Metrics* const metrics = deps_.metrics;
  for (compiler_gym::Benchmark& benchmark : benchmarks) {
    const auto bytes = static_cast<int64_t>(benchmark.ByteSizeLong());
    metrics->AddBenchmarkBytes(bytes);
    // Sessions share it with the cache: its bytes count until the last of them has gone.
    std::shared_ptr<const compiler_gym::Benchmark> shared(
        new compiler_gym::Benchmark(std::move(benchmark)),
        [metrics, bytes](const compiler_gym::Benchmark* dead) {
          metrics->AddBenchmarkBytes(-bytes);
          delete dead;
        });
    if (deps_.cache->Add(shared)) {
      LogWarning(Subsystem::kBenchmarks,
                 "benchmark is larger than the whole cache (--benchmark_cache_bytes)",
                 {{"benchmark", shared->uri()}, {"bytes", bytes}});
    }
  }
}

void CompilerService::SendSessionParameter(const Call& call) {
  compiler_gym::SendSessionParameterRequest request;
  if (!ParseRequest(*call, &request)) return;
  const std::shared_ptr<Session> session = FindSession(call, request.session_id());
  if (session == nullptr) return;
  const absl::Status budget = CheckRecordBudget();
  if (!budget.ok()) {
    call->Finish(ToGrpcStatus(budget));
    return;
  }
  const Session::Ticket ticket =
      session->SendParameters(std::move(request), CallerOf(*call),
                              [call](const grpc::Status& status, const grpc::ByteBuffer& reply) {
                                call->Finish(status, reply);
                              });
  AbandonWith(call, session, ticket);
}

std::shared_ptr<Session> CompilerService::FindSession(const Call& call, int64_t id) {
  std::shared_ptr<Session> session = deps_.table->Find(id);
  if (session == nullptr) {
    call->Finish(ToGrpcStatus(absl::NotFoundError(absl::StrCat("Session not found: ", id))));
  }
  return session;
}

int64_t CompilerService::RecordBytes() const { return deps_.metrics->record_bytes(); }

absl::Status CompilerService::CheckRecordBudget(int64_t new_bytes) {
  const int64_t excess = RecordBytes() + new_bytes - deps_.max_record_bytes;
  if (excess <= 0) return absl::OkStatus();
  // What is only cached goes first: no session needs it.
  const int64_t cached = deps_.cache->GetStats().size_bytes;
  deps_.cache->EvictToCapacity(std::max<int64_t>(0, cached - excess));
  const int64_t needed = RecordBytes() + new_bytes;
  if (needed <= deps_.max_record_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("benchmarks and histories of sessions need ", needed, " bytes, more than ",
                   deps_.max_record_bytes, " (--max_record_bytes): end sessions, or raise it"));
}

absl::Status CompilerService::ReserveSession() {
  if (deps_.table->Reserve()) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("there are ", deps_.max_sessions,
                   " sessions already, those that are being started included (--max_sessions): end "
                   "sessions, or raise it"));
}

void CompilerService::AbandonWith(const Call& call, const std::shared_ptr<Session>& session,
                                  Session::Ticket ticket) {
  call->OnAbort(
      [session, ticket](const grpc::Status& reason) { session->Abandon(ticket, reason); });
}

absl::optional<absl::StatusOr<std::string>> CompilerService::BuiltinParameter(
    BenchmarkCache* cache, const DescribeReply& description, absl::string_view key,
    absl::string_view value) {
  if (key == kBenchmarks) return {absl::StrJoin(description.benchmark_uri(), "\n")};
  if (!absl::ConsumePrefix(&key, kCacheParameters)) return absl::nullopt;
  if (key == "get_size_in_bytes") return {absl::StrCat(cache->GetStats().size_bytes)};
  if (key == "get_max_size_in_bytes") return {absl::StrCat(cache->GetStats().max_size_bytes)};
  if (key != "set_max_size_in_bytes") return absl::nullopt;
  int64_t bytes = 0;
  if (!absl::SimpleAtoi(value, &bytes) || bytes < 0) {
    return {absl::InvalidArgumentError(
        absl::StrCat(kCacheParameters, key, " is \"", value, "\", must be an integer >= 0"))};
  }
  cache->SetMaxSize(bytes);
  return {std::string(value)};
}

}  // namespace holdfast
