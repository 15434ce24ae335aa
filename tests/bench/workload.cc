#include "tests/bench/workload.h"

#include <algorithm>
#include <utility>

#include "worker/example/example_session.h"

namespace holdfast {
namespace {

using compiler_gym::CompilerGymService;

constexpr char kUri[] = "benchmark://bench-v0/program";
constexpr size_t kSmallProgram = 20;
// Fuses '+' and '-', of which the program has only the former: each time it is applied, it looks at
// all of the program and changes nothing.
constexpr int64_t kHarmlessPass = 0;

compiler_gym::Benchmark Program(size_t bytes) {
  compiler_gym::Benchmark benchmark;
  benchmark.set_uri(kUri);
  benchmark.mutable_program()->set_contents(std::string(bytes, '+'));
  return benchmark;
}

// A method of the protocol, as in &CompilerGymService::Stub::Step.
template <typename Request, typename Reply>
using Method = grpc::Status (CompilerGymService::Stub::*)(grpc::ClientContext*, const Request&,
                                                          Reply*);

// A request that is sent again and again, and its last reply.
template <typename Request, typename Reply>
struct Rpc {
  grpc::Status Call(CompilerGymService::Stub* stub, Method<Request, Reply> method) {
    grpc::ClientContext context;
    return (stub->*method)(&context, request, &reply);
  }
  // An empty message is one, too: a byte stands for it.
  Exchange exchange() const {
    return {std::max<size_t>(1, request.ByteSizeLong()), std::max<size_t>(1, reply.ByteSizeLong())};
  }

  Request request;
  Reply reply;
};

struct StartRpc : Rpc<compiler_gym::StartSessionRequest, compiler_gym::StartSessionReply> {
  explicit StartRpc(size_t program_bytes) { *request.mutable_benchmark() = Program(program_bytes); }
  grpc::Status Call(CompilerGymService::Stub* stub) {
    return Rpc::Call(stub, &CompilerGymService::Stub::StartSession);
  }
};

struct EndRpc : Rpc<compiler_gym::EndSessionRequest, compiler_gym::EndSessionReply> {
  grpc::Status Call(CompilerGymService::Stub* stub, int64_t session) {
    request.set_session_id(session);
    return Rpc::Call(stub, &CompilerGymService::Stub::EndSession);
  }
};

struct StepKind {
  size_t program_bytes = kSmallProgram;
  bool acts = false;
  bool observes = false;  // The whole program.
};

class StepClient final : public Client {
 public:
  StepClient(Stubs stubs, const StepKind& kind)
      : stubs_(std::move(stubs)), start_(kind.program_bytes) {
    if (kind.acts) step_.request.add_action()->set_int64_value(kHarmlessPass);
    if (kind.observes) step_.request.add_observation_space(ExampleSession::kText);
  }

  // The sessions are new in each round, so that their histories stay short.
  grpc::Status Begin() override {
    for (const auto& stub : stubs_) {
      grpc::Status status = start_.Call(stub.get());
      if (!status.ok()) return status;
      sessions_.push_back(start_.reply.session_id());
    }
    return grpc::Status::OK;
  }

  grpc::Status Call() override {
    next_ = (next_ + 1) % stubs_.size();
    step_.request.set_session_id(sessions_[next_]);
    return step_.Call(stubs_[next_].get(), &CompilerGymService::Stub::Step);
  }

  grpc::Status End() override {
    for (size_t i = 0; i < sessions_.size(); ++i) {
      grpc::Status status = end_.Call(stubs_[i].get(), sessions_[i]);
      if (!status.ok()) return status;
    }
    sessions_.clear();
    return grpc::Status::OK;
  }

  std::vector<Exchange> exchanges() const override { return {step_.exchange()}; }

 private:
  const Stubs stubs_;
  StartRpc start_;
  Rpc<compiler_gym::StepRequest, compiler_gym::StepReply> step_;
  EndRpc end_;
  std::vector<int64_t> sessions_;
  size_t next_ = 0;
};

class StartEndClient final : public Client {
 public:
  explicit StartEndClient(Stubs stubs) : stub_(stubs.front()), start_(kSmallProgram) {}

  grpc::Status Call() override {
    grpc::Status status = start_.Call(stub_.get());
    if (!status.ok()) return status;
    return end_.Call(stub_.get(), start_.reply.session_id());
  }

  std::vector<Exchange> exchanges() const override { return {start_.exchange(), end_.exchange()}; }

 private:
  const std::shared_ptr<CompilerGymService::Stub> stub_;
  StartRpc start_;
  EndRpc end_;
};

class ForkEndClient final : public Client {
 public:
  explicit ForkEndClient(Stubs stubs) : stub_(stubs.front()), start_(kSmallProgram) {}

  grpc::Status Begin() override {
    grpc::Status status = start_.Call(stub_.get());
    fork_.request.set_session_id(start_.reply.session_id());
    return status;
  }

  grpc::Status Call() override {
    grpc::Status status = fork_.Call(stub_.get(), &CompilerGymService::Stub::ForkSession);
    if (!status.ok()) return status;
    return end_.Call(stub_.get(), fork_.reply.session_id());
  }

  grpc::Status End() override { return end_.Call(stub_.get(), start_.reply.session_id()); }

  std::vector<Exchange> exchanges() const override { return {fork_.exchange(), end_.exchange()}; }

 private:
  const std::shared_ptr<CompilerGymService::Stub> stub_;
  StartRpc start_;
  Rpc<compiler_gym::ForkSessionRequest, compiler_gym::ForkSessionReply> fork_;
  EndRpc end_;
};

// A single call that needs no session.
template <typename Request, typename Reply>
class CallClient final : public Client {
 public:
  CallClient(const Stubs& stubs, Method<Request, Reply> method, Request request)
      : stub_(stubs.front()), method_(method) {
    rpc_.request = std::move(request);
  }

  grpc::Status Call() override { return rpc_.Call(stub_.get(), method_); }
  std::vector<Exchange> exchanges() const override { return {rpc_.exchange()}; }

 private:
  const std::shared_ptr<CompilerGymService::Stub> stub_;
  const Method<Request, Reply> method_;
  Rpc<Request, Reply> rpc_;
};

auto Steps(const StepKind& kind) {
  return [kind](Stubs stubs) { return std::make_unique<StepClient>(std::move(stubs), kind); };
}

template <typename ClientType>
std::unique_ptr<Client> New(Stubs stubs) {
  return std::make_unique<ClientType>(std::move(stubs));
}

template <typename Request, typename Reply>
auto Calls(Method<Request, Reply> method, const Request& request) {
  return [method, request](const Stubs& stubs) {
    return std::make_unique<CallClient<Request, Reply>>(stubs, method, request);
  };
}

compiler_gym::AddBenchmarkRequest OneBenchmark(size_t bytes) {
  compiler_gym::AddBenchmarkRequest request;
  *request.add_benchmark() = Program(bytes);
  return request;
}

}  // namespace

std::vector<Operation> Operations() {
  const std::vector<Load> many = {{1, 1}, {2, 2}, {8, 8}, {32, 32}};
  // One client, and as many clients as sessions.
  const std::vector<Load> scale = {{1, 1}, {2, 2}, {4, 4}, {8, 8},  {16, 16}, {32, 32}, {64, 64},
                                   {1, 2}, {1, 4}, {1, 8}, {1, 16}, {1, 32},  {1, 64}};
  Operation start_end = {"start_end", New<StartEndClient>, many};
  start_end.fresh_workers = true;
  Operation fork_end = {"fork_end", New<ForkEndClient>, many};
  fork_end.can_be_direct = false;  // A worker has one session.
  return {
      {"step_empty", Steps({kSmallProgram, false, false}), many},
      {"step", Steps({kSmallProgram, true, true}), scale},
      {"step_64KiB", Steps({64 << 10, false, true}), many},
      {"step_4MiB", Steps({4 << 20, false, true}), many},
      start_end,
      {"start_end_reuse", New<StartEndClient>, many},
      fork_end,
      {"add_benchmark_1MiB", Calls(&CompilerGymService::Stub::AddBenchmark, OneBenchmark(1 << 20)),
       many},
      {"get_spaces", Calls(&CompilerGymService::Stub::GetSpaces, compiler_gym::GetSpacesRequest()),
       many},
  };
}

}  // namespace holdfast
