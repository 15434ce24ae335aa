#include "tests/deploy/session_client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace holdfast {
namespace {

constexpr char kHeader[] = "holdfast-front";
constexpr char kBenchmark[] = "benchmark://test/program";
constexpr int kStepsOfASession = 40;
// Between two steps: the load is of many clients, not of a few busy ones.
constexpr absl::Duration kPause = absl::Milliseconds(50);

std::unique_ptr<compiler_gym::CompilerGymService::Stub> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // A connection of its own.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  return compiler_gym::CompilerGymService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

}  // namespace

SessionClient::SessionClient(std::string address, bool names_front)
    : address_(std::move(address)),
      names_front_(names_front),
      stub_(Connect(address_)),
      thread_([this] { Run(); }) {}

SessionClient::~SessionClient() {
  is_ending_ = true;
  thread_.join();
}

std::string SessionClient::front() const {
  absl::MutexLock lock(&mutex_);
  return front_;
}

std::vector<SessionClient::Failure> SessionClient::failures() const {
  absl::MutexLock lock(&mutex_);
  return failures_;
}

std::vector<std::string> SessionClient::FrontsSince(absl::Time when) const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> fronts;
  for (const auto& [time, front] : starts_) {
    if (time >= when) fronts.push_back(front);
  }
  return fronts;
}

void SessionClient::Run() {
  while (!is_ending_) {
    const bool is_done = RunSession();
    {
      absl::MutexLock lock(&mutex_);
      front_.clear();
    }
    if (is_done) continue;
    // As a client does whose service is gone: it begins anew, on another connection.
    stub_ = Connect(address_);
    absl::SleepFor(kPause);
  }
}

bool SessionClient::Call(const char* what,
                         const std::function<grpc::Status(grpc::ClientContext*)>& call) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  const std::string front = this->front();
  if (names_front_ && !front.empty()) context.AddMetadata(kHeader, front);
  const grpc::Status status = call(&context);
  absl::MutexLock lock(&mutex_);
  if (!status.ok()) {
    failures_.push_back(
        {absl::Now(), front,
         absl::StrCat(what, ": ", status.error_code(), " ", status.error_message())});
    return false;
  }
  const auto& headers = context.GetServerInitialMetadata();
  const auto header = headers.find(kHeader);
  if (header != headers.end()) front_ = std::string(header->second.data(), header->second.size());
  return true;
}

bool SessionClient::RunSession() {
  compiler_gym::AddBenchmarkRequest add;
  add.add_benchmark()->set_uri(kBenchmark);
  add.mutable_benchmark(0)->mutable_program()->set_contents("+.-T<>");
  compiler_gym::AddBenchmarkReply added;
  if (!Call("AddBenchmark",
            [&](auto* context) { return stub_->AddBenchmark(context, add, &added); })) {
    return false;
  }
  compiler_gym::StartSessionRequest start;
  start.mutable_benchmark()->set_uri(kBenchmark);
  compiler_gym::StartSessionReply started;
  const absl::Time start_time = absl::Now();
  if (!Call("StartSession",
            [&](auto* context) { return stub_->StartSession(context, start, &started); })) {
    return false;
  }
  {
    absl::MutexLock lock(&mutex_);
    starts_.emplace_back(start_time, front_);
  }
  for (int i = 0; i < kStepsOfASession && !is_ending_; ++i) {
    compiler_gym::StepRequest step;
    step.set_session_id(started.session_id());
    step.add_action()->set_int64_value(0);
    compiler_gym::StepReply stepped;
    if (!Call("Step", [&](auto* context) { return stub_->Step(context, step, &stepped); })) {
      return false;
    }
    ++steps_;
    absl::SleepFor(kPause);
  }
  compiler_gym::EndSessionRequest end;
  end.set_session_id(started.session_id());
  compiler_gym::EndSessionReply ended;
  return Call("EndSession", [&](auto* context) { return stub_->EndSession(context, end, &ended); });
}

}  // namespace holdfast
