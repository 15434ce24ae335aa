#include "tests/deploy/load_generator.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <iterator>
#include <memory>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"

namespace holdfast {
namespace {

constexpr char kUri[] = "benchmark://load/program";
constexpr int kRoundsOfSession = 10;
constexpr int kQuickStepsOfRound = 8;

std::string CodeName(const grpc::Status& status) {
  return absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code()));
}

// What the clients share.
struct Load {
  MisbehavingService* service;
  LoadOptions options;
  std::map<std::string, int64_t> actions;  // The index, by name.
  int counter_observation = 0;
  int disturbances = 0;  // In all.
  absl::Time start;
  absl::Mutex mutex;              // Held by the one that disturbs.
  std::atomic<int> disturbed{0};  // So far.

  absl::Time WhenDue(int disturbance) const {
    return start + options.duration * disturbance / disturbances;
  }
  bool IsOver() const {
    return disturbed == disturbances && absl::Now() > start + options.duration;
  }
};

class Client {
 public:
  explicit Client(Load* load) : load_(load), stub_(load->service->NewClient()) {}

  void Run() {
    while (!load_->IsOver()) RunSession();
  }
  const Tally& tally() const { return tally_; }
  static int CountDisturbances(int kills);

 private:
  // Makes a call, and counts it.
  template <typename Callable>
  grpc::Status Call(const std::string& method, const Callable& call) {
    const absl::Time start = absl::Now();
    grpc::Status status = call();
    if (method == "Step") tally_.steps.push_back(absl::Now() - start);
    ++tally_.calls[{method, CodeName(status)}];
    return status;
  }
  template <typename Callable>
  void MustCall(const std::string& method, const Callable& call) {
    const grpc::Status status = Call(method, call);
    EXPECT_TRUE(status.ok()) << method << ": " << status.error_message();
  }
  grpc::Status Step(const std::string& action) {
    return Call("Step", [&] { return session_->Step({load_->actions.at(action)}); });
  }
  // One that adds to the session's counter.
  void MustAdd(const std::string& action) {
    const grpc::Status status = Step(action);
    EXPECT_TRUE(status.ok()) << action << ": " << status.error_message();
    ++counter_;
  }

  void RunSession() {
    int64_t id = 0;
    MustCall("AddBenchmark", [&] { return AddBenchmark(stub_.get(), kUri, "ok"); });
    MustCall("StartSession", [&] { return StartSession(stub_.get(), kUri, 0, &id); });
    session_ = std::make_unique<TestSession>(*load_->service, id);
    counter_ = 0;
    for (int round = 0; round < kRoundsOfSession && !load_->IsOver(); ++round) {
      for (int i = 0; i < kQuickStepsOfRound; ++i) MustAdd("add_one");
      EXPECT_TRUE(Step("slow_100ms").ok());
      ++tally_.slow_steps;
      DisturbIfDue();
    }
    MustCall("EndSession", [&] { return session_->End(), grpc::Status::OK; });
    ++tally_.sessions;
  }

  // At most one of the clients disturbs its session at a time: so each can see what the service
  // knows of its own worker, and no worker dies in a recovery.
  void DisturbIfDue() {
    if (!load_->mutex.TryLock()) return;
    if (load_->disturbed < load_->disturbances && absl::Now() >= load_->WhenDue(load_->disturbed)) {
      const absl::Time begun = absl::Now();
      (this->*kDisturbances[load_->disturbed % kCycle])();
      GoOn(begun);
      ++load_->disturbed;
    }
    load_->mutex.Unlock();
  }

  // The session is the same as if nothing had happened; by now it has recovered.
  void GoOn(absl::Time begun) {
    compiler_gym::StepReply reply;
    MustCall("Step", [&] {
      return session_->Step({load_->actions.at("add_one")}, {load_->counter_observation}, &reply);
    });
    ASSERT_EQ(reply.observation_size(), 1);
    EXPECT_EQ(reply.observation(0).int64_value(), ++counter_);
    tally_.recoveries.resize(tally_.recoveries.size() + failures_, {begun, absl::Now()});
    failures_ = 0;
  }

  // Each means one recovery, by the time that the session has made another call.
  void CountFailures(const std::string& cause, int count) {
    tally_.failures[cause] += count;
    failures_ += count;
  }

  void SetParameter(const std::string& key, const std::string& value, std::string* reply) {
    MustCall("SendSessionParameter", [&] { return session_->SendParameter(key, value, reply); });
  }
  pid_t FindWorker() {
    std::string reply;
    SetParameter("get_pid", "", &reply);
    pid_t pid = 0;
    EXPECT_TRUE(absl::SimpleAtoi(reply, &pid) && pid > 1) << reply;
    return pid;
  }
  void KillWorker(pid_t pid) {
    if (pid > 1) kill(pid, SIGKILL);
    ++tally_.kills;
    CountFailures("signal", 1);
  }
  Marker SetMarker() {
    Marker marker = load_->service->NewMarker();
    std::string reply;
    SetParameter("set_marker_file", marker.path(), &reply);
    return marker;
  }

  void KillBetweenSteps() {
    const auto failures = [&] {
      return load_->service->Metric("holdfast_worker_failures_total{cause=\"signal\"}");
    };
    const pid_t pid = FindWorker();
    const absl::optional<double> before = failures();
    KillWorker(pid);
    EXPECT_TRUE(WaitUntil([&] { return failures() > before; }));
  }

  void KillInStep() {
    const Marker marker = SetMarker();
    const pid_t pid = FindWorker();
    std::future<grpc::Status> step =
        std::async(std::launch::async, [this] { return Step("wait"); });
    EXPECT_TRUE(marker.AwaitWaiting(1));
    KillWorker(pid);
    EXPECT_TRUE(marker.AwaitWaiting(2)) << "no second attempt";
    marker.Go();
    const grpc::Status status = step.get();
    EXPECT_TRUE(status.ok()) << status.error_message();
    ++counter_;
  }

  // The worker fails in each attempt.
  void Fail(const std::string& action) {
    const grpc::Status status = Step(action);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED) << status.error_message();
    const absl::optional<WorkerFailure> failure = FailureOf(status);
    ASSERT_TRUE(failure.has_value()) << status.error_message();
    CountFailures(absl::AsciiStrToLower(WorkerFailure::Cause_Name(failure->cause())),
                  failure->attempts());
  }
  void Exit() { Fail("exit_1"); }
  void CrashAndTryAgain() {
    Fail("crash");
    // That is known to kill its worker: nothing happens.
    EXPECT_EQ(Step("crash").error_code(), grpc::StatusCode::ABORTED);
    ++tally_.refused_steps;
  }
  void CrashOnce() {
    const Marker marker = SetMarker();
    MustAdd("crash_once");
    EXPECT_TRUE(std::filesystem::exists(marker.path())) << "it has not crashed";
    CountFailures("signal", 1);
  }

  using Disturbance = void (Client::*)();
  static constexpr Disturbance kDisturbances[] = {
      &Client::KillBetweenSteps, &Client::KillInStep, &Client::CrashAndTryAgain,
      &Client::KillBetweenSteps, &Client::KillInStep, &Client::Exit,
      &Client::KillBetweenSteps, &Client::KillInStep, &Client::CrashOnce,
  };
  static constexpr int kCycle = std::size(kDisturbances);

  Load* const load_;
  const std::unique_ptr<compiler_gym::CompilerGymService::Stub> stub_;
  std::unique_ptr<TestSession> session_;
  int64_t counter_ = 0;  // The session's.
  int failures_ = 0;     // Since the last recovery.
  Tally tally_;
};

int Client::CountDisturbances(int kills) {
  int count = 0;
  for (int left = kills; left > 0; ++count) {
    const Disturbance disturbance = kDisturbances[count % kCycle];
    if (disturbance == &Client::KillBetweenSteps || disturbance == &Client::KillInStep) --left;
  }
  return count;
}

// One call of GetSpaces.
void LearnNames(Load* load) {
  compiler_gym::GetSpacesReply spaces;
  grpc::ClientContext context;
  const grpc::Status status = load->service->NewClient()->GetSpaces(&context, {}, &spaces);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const auto& names = spaces.action_space_list(0).space().named_discrete().name();
  for (int i = 0; i < names.size(); ++i) load->actions[names[i]] = i;
  while (spaces.observation_space_list(load->counter_observation).name() != "counter") {
    ++load->counter_observation;
  }
}

}  // namespace

int64_t Tally::CallsOf(const std::string& method) const {
  int64_t count = 0;
  for (const auto& [call, times] : calls) count += call.first == method ? times : 0;
  return count;
}

void Tally::Add(const Tally& other) {
  for (const auto& [call, count] : other.calls) calls[call] += count;
  for (const auto& [cause, count] : other.failures) failures[cause] += count;
  steps.insert(steps.end(), other.steps.begin(), other.steps.end());
  recoveries.insert(recoveries.end(), other.recoveries.begin(), other.recoveries.end());
  slow_steps += other.slow_steps;
  refused_steps += other.refused_steps;
  sessions += other.sessions;
  kills += other.kills;
}

Tally RunLoad(MisbehavingService* service, const LoadOptions& options) {
  Load load;
  load.service = service;
  load.options = options;
  load.disturbances = Client::CountDisturbances(options.kills);
  Tally tally;
  LearnNames(&load);
  ++tally.calls[{"GetSpaces", "OK"}];
  load.start = absl::Now();
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::thread> threads;
  for (int i = 0; i < options.clients; ++i) {
    clients.push_back(std::make_unique<Client>(&load));
    threads.emplace_back(&Client::Run, clients.back().get());
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& client : clients) tally.Add(client->tally());
  return tally;
}

}  // namespace holdfast
