#include "tests/bench/bench_service.h"

#include <cstdlib>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace holdfast {
namespace {

constexpr char kStarts[] = "holdfast_worker_start_duration_seconds_count";
constexpr char kStartSeconds[] = "holdfast_worker_start_duration_seconds_sum";

// To ask the service takes its time, too: not while a worker starts.
constexpr absl::Duration kRest = absl::Milliseconds(15);

void Require(bool ok, const std::string& what) {
  if (ok) return;
  std::cerr << "ERROR: " << what << std::endl;
  std::exit(1);
}

void Require(const grpc::Status& status) { Require(status.ok(), status.error_message()); }

double Workers(const ServiceProcess& service, const std::string& state) {
  return ReadMetric(service, absl::StrCat("holdfast_workers{state=\"", state, "\"}"));
}

}  // namespace

const std::vector<BenchWorker>& BenchWorkers() {
  static const auto* const workers = new std::vector<BenchWorker>{
      {"example", "worker/example/example_worker", "++>+"},
      {"LLVM", "worker/llvm/llvm_worker", "define i32 @main() { ret i32 0 }"},
  };
  return *workers;
}

const BenchWorker& ExampleWorker() { return BenchWorkers()[0]; }
const BenchWorker& LlvmWorker() { return BenchWorkers()[1]; }

double Milliseconds(const std::function<void()>& work) {
  const absl::Time start = absl::Now();
  work();
  return absl::ToDoubleMilliseconds(absl::Now() - start);
}

BenchClient::BenchClient(const std::string& address, const BenchWorker& worker)
    : stub_(ConnectTo(address)) {
  Add(kBenchUri, worker.program);
}

void BenchClient::Add(const std::string& uri, const std::string& program) {
  Require(AddBenchmark(stub_.get(), uri, program));
}

void BenchClient::Start() { Require(StartSession(stub_.get(), kBenchUri, 0, &session_)); }

void BenchClient::Step() {
  compiler_gym::StepRequest request;
  request.set_session_id(session_);
  compiler_gym::StepReply reply;
  grpc::ClientContext context;
  Require(stub_->Step(&context, request, &reply));
}

void BenchClient::End() {
  compiler_gym::EndSessionRequest request;
  request.set_session_id(session_);
  compiler_gym::EndSessionReply reply;
  grpc::ClientContext context;
  Require(stub_->EndSession(&context, request, &reply));
}

double ReadMetric(const ServiceProcess& service, const std::string& series) {
  const absl::optional<double> value = service.Metric(series);
  Require(value.has_value(), absl::StrCat("there is no ", series));
  return *value;
}

void WaitForIdle(const ServiceProcess& service, int idle) {
  Require(WaitUntil(
              [&] {
                return Workers(service, "idle") == idle && Workers(service, "starting") == 0 &&
                       Workers(service, "resetting") == 0 && Workers(service, "retiring") == 0;
              },
              absl::Minutes(2)),
          absl::StrCat("there are not ", idle, " idle workers"));
}

StartClock::StartClock(const ServiceProcess* service)
    : service_(service),
      starts_(ReadMetric(*service, kStarts)),
      seconds_(ReadMetric(*service, kStartSeconds)) {}

double StartClock::NextMilliseconds() {
  absl::SleepFor(kRest);
  double starts = 0;
  Require(WaitUntil([&] { return (starts = ReadMetric(*service_, kStarts)) > starts_; }),
          "no worker was started");
  const double seconds = ReadMetric(*service_, kStartSeconds);
  const double took = 1e3 * (seconds - seconds_) / (starts - starts_);
  starts_ = starts;
  seconds_ = seconds;
  return took;
}

}  // namespace holdfast
