// Workers that answer anything, at any time, or die: real sessions on a real pool, on the fakes.
//
// Each action and each parameter has a number of its own, so a model of a few lines can tell what
// is in a session's history and what a worker has applied: see CheckNewCalls() and model_worker.h.
#include <signal.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "frontend/worker_description.h"
#include "tests/frontend/session_fixture.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/model_worker.h"
#include "tests/fuzz/wire_size.h"

namespace holdfast {
namespace {

constexpr int kMaxSessions = 4;
// Of the kinds of event that Run() has.
constexpr int kEventsOfSessions = 7;
constexpr int kAbandon = kEventsOfSessions;

// A call of a client.
struct Operation {
  size_t session;
  Session::Ticket ticket = 0;
  Numbers numbers;
  Numbers recorded;  // Of several parameters, those that the session has put into its history.
  // The worker that carries it out now; 0: none, what was asked before is stale.
  uint64_t worker = 0;
  bool is_doomed = false;  // Asked for when its session was lost.
  bool done = false;
};

struct ModelSession {
  std::shared_ptr<Session> session;
  Numbers history;
};

class Supervisor : public SessionTest {
 public:
  explicit Supervisor(FuzzedDataProvider* input);
  ~Supervisor() override { EndAll(); }

  void Run();

 private:
  void TestBody() override {}

  // What clients do.
  void Step(size_t session);
  void SendParameters(size_t session);
  void Fork(size_t session);
  void Abandon();
  Operation* NewOperation(size_t session);
  Session::Done Into(Operation* operation);
  void Finish(Operation* operation, const grpc::Status& status);
  absl::Time Deadline() {
    return input_->ConsumeIntegralInRange(0, 15) == 15 ? absl::InfinitePast()
                                                       : absl::InfiniteFuture();
  }

  // What workers do.
  uint64_t PickWorker();
  void AnswerWell(uint64_t worker);
  void AnswerAnything(uint64_t worker);
  void AnswerCall(uint64_t worker, WorkerReply reply);
  std::string GoodReply(uint64_t worker);
  void Die(uint64_t worker);
  void EndProcess(uint64_t worker, const ProcessExit& exit);

  // Answers all that workers are asked, until no client waits.
  void RunOut();
  void CheckNewCalls();
  void CheckCall(uint64_t worker, const FakeWorkerClient::PendingCall& call);
  void EndAll();

  FuzzedDataProvider* const input_;
  DescribeReply description_;
  std::vector<ModelSession> sessions_;
  std::vector<std::unique_ptr<Operation>> operations_;
  std::map<int64_t, Operation*> operation_of_;  // By number.
  std::set<int64_t> acknowledged_;              // Numbers that are in some history.
  std::map<uint64_t, ModelWorker> workers_;
  int64_t last_number_ = 0;
  bool is_started_ = false;  // The first session.
  uint64_t home_ = 0;        // The worker on which it started.
  bool is_lost_ = false;     // It is bound to that one, which is gone.
  // While a worker's answer is passed on: whose it is, and what it says was applied.
  Operation* answered_ = nullptr;
  Numbers answered_numbers_;
};

SessionTest::Sizes ChooseSizes(FuzzedDataProvider* input) {
  SessionTest::Sizes sizes;
  sizes.max_workers = input->ConsumeIntegralInRange(1, 10);
  sizes.warm_workers = input->ConsumeIntegralInRange(0, std::min(sizes.max_workers, 2));
  sizes.checkpoint_bytes = input->ConsumeBool() ? 1 << 20 : input->ConsumeIntegralInRange(0, 60);
  sizes.prefetched = input->ConsumeIntegralInRange(0, 2);
  return sizes;
}

Supervisor::Supervisor(FuzzedDataProvider* input) : SessionTest(ChooseSizes(input)), input_(input) {
  abilities_.takes_snapshots = input->ConsumeIntegralInRange(0, 3) < 3;
  abilities_.is_rebuildable = input->ConsumeIntegralInRange(0, 7) < 7;
  if (!description_.ParseFromString(ConsumeString(input))) description_.Clear();
  environment_.describe_actions = [this](int, const StepRequestView& step) {
    return DescribeActions(description_.spaces().action_space_list_size() == 0
                               ? compiler_gym::ActionSpace()
                               : description_.spaces().action_space_list(0),
                           step);
  };
  sessions_.push_back({session_, {}});
  Operation* const start = NewOperation(0);
  start->ticket = session_->Start({}, {1, Deadline()}, Into(start));
}

void Supervisor::Run() {
  const bool is_run_out = input_->ConsumeBool();  // Or all is ended in the middle of it.
  while (input_->remaining_bytes() > 0) {
    const auto session = input_->ConsumeIntegralInRange<size_t>(0, sessions_.size() - 1);
    int event = input_->ConsumeIntegralInRange(0, 13);
    // Nobody knows a session that has not been started.
    if (!is_started_ && event < kEventsOfSessions) event = kAbandon;
    switch (event) {
      case 0:
      case 1:
        Step(session);
        break;
      case 2:
        SendParameters(session);
        break;
      case 3:
        Fork(session);
        break;
      case 4:
        sessions_[session].session->End();
        break;
      case 5:
        sessions_[session].session->ParkIfIdleSince(absl::InfiniteFuture());
        break;
      case 6:
        // Nor does one that would take too long to build.
        Require(!sessions_[session].session->AskBack() || abilities_.is_rebuildable,
                "a session gives back no worker if it cannot be built again");
        break;
      case kAbandon:
        Abandon();
        break;
      case 8:
        clock_.Advance(absl::Milliseconds(input_->ConsumeIntegralInRange(0, 30000)));
        break;
      case 9:
        if (const uint64_t worker = PickWorker()) Die(worker);
        break;
      case 10:
        if (const uint64_t worker = PickWorker()) AnswerAnything(worker);
        break;
      default:
        if (const uint64_t worker = PickWorker()) AnswerWell(worker);
    }
    Settle();
    CheckNewCalls();
  }
  if (is_run_out) RunOut();
}

void Supervisor::RunOut() {
  const auto is_done = [](const auto& operation) { return operation->done; };
  int quiet_rounds = 0;
  while (!std::all_of(operations_.begin(), operations_.end(), is_done)) {
    bool is_quiet = true;
    for (const ProcessId worker : spawner_.alive()) {
      if (!spawner_.process(worker).started) spawner_.Started(worker);
      if (spawner_.process(worker).kills > 0) {
        ProcessExit killed;
        killed.signal = SIGKILL;
        EndProcess(worker, killed);
      } else if (!client(worker).calls().empty()) {
        AnswerWell(worker);
      } else {
        continue;
      }
      is_quiet = false;
      Settle();
      CheckNewCalls();
    }
    if (!is_quiet) continue;
    // Pauses between starts that fail, and the wait for a worker, are minutes at most.
    Require(++quiet_rounds < 1000, "every call is answered in the end");
    Advance(absl::Seconds(10));
    CheckNewCalls();
  }
}

Operation* Supervisor::NewOperation(size_t session) {
  operations_.push_back(std::make_unique<Operation>());
  operations_.back()->session = session;
  operations_.back()->is_doomed = is_lost_;
  return operations_.back().get();
}

Session::Done Supervisor::Into(Operation* operation) {
  return [this, operation](const grpc::Status& status, const grpc::ByteBuffer& reply) {
    Finish(operation, status);
    if (!status.ok() || operation != operations_.front().get()) return;
    is_started_ = true;
    compiler_gym::StartSessionReply started;
    Require(Parse(reply, &started).ok() && started.session_id() == 7,
            "the client learns the front's id");
  };
}

// Also if the call has been given up, or the session has been ended.
bool IsOfLostSession(grpc::StatusCode code) {
  return code == grpc::StatusCode::DATA_LOSS || code == grpc::StatusCode::CANCELLED ||
         code == grpc::StatusCode::NOT_FOUND;
}

void Supervisor::Finish(Operation* operation, const grpc::Status& status) {
  Require(!operation->done, "a call is answered once");
  operation->done = true;
  Require(SizeOnWire(status) <= kMaxStatusOnWire, "a status fits");
  Require(status.error_code() != grpc::StatusCode::UNAVAILABLE || operation->recorded.empty(),
          "what may have been applied is not sent again");
  Require(!operation->is_doomed || IsOfLostSession(status.error_code()),
          "a session that is bound to its worker is lost with it");
  const bool is_step = answered_ == operation && operation->recorded.empty();
  const Numbers& added = is_step ? answered_numbers_ : operation->recorded;
  if (!is_step && !status.ok()) return;  // Of several parameters all are kept, or none.
  Append(added, &sessions_[operation->session].history);
  acknowledged_.insert(added.begin(), added.end());
}

void Supervisor::Step(size_t session) {
  Operation* const operation = NewOperation(session);
  compiler_gym::StepRequest request;
  request.set_session_id(7);
  for (int actions = input_->ConsumeIntegralInRange(0, 3); actions > 0; --actions) {
    request.add_action()->set_int64_value(++last_number_);
    operation->numbers.push_back(last_number_);
    operation_of_[last_number_] = operation;
  }
  const grpc::ByteBuffer bytes = Serialize(request);
  operation->ticket = sessions_[session].session->Step(*ScanStepRequest(bytes), bytes,
                                                       {1, Deadline()}, Into(operation));
}

void Supervisor::SendParameters(size_t session) {
  Operation* const operation = NewOperation(session);
  compiler_gym::SendSessionParameterRequest request;
  for (int parameters = input_->ConsumeIntegralInRange(0, 3); parameters > 0; --parameters) {
    if (input_->ConsumeIntegralInRange(0, 7) == 7) {
      request.add_parameter()->set_key("builtin");
      continue;
    }
    request.add_parameter()->set_key(absl::StrCat(kParameterPrefix, ++last_number_));
    operation->numbers.push_back(last_number_);
    operation_of_[last_number_] = operation;
  }
  operation->ticket =
      sessions_[session].session->SendParameters(request, {1, Deadline()}, Into(operation));
}

void Supervisor::Fork(size_t session) {
  if (sessions_.size() == kMaxSessions) return;
  Operation* const operation = NewOperation(session);
  operation->is_doomed = false;  // Or cannot be done, which is told first.
  operation->ticket = sessions_[session].session->Fork(
      7 + static_cast<int64_t>(operations_.size()), {/*connection=*/2},
      [this, operation](const grpc::Status& status, std::shared_ptr<Session> child) {
        Finish(operation, status);
        Require(abilities_.is_rebuildable || IsOfLostSession(status.error_code()) ||
                    status.error_code() == grpc::StatusCode::UNIMPLEMENTED,
                "a session that is bound to its worker is not forked");
        Require(status.ok() == (child != nullptr), "a fork makes a session, or says why not");
        if (child == nullptr) return;
        Numbers history = sessions_[operation->session].history;
        sessions_.push_back({std::move(child), std::move(history)});
      });
}

void Supervisor::Abandon() {
  const auto at = input_->ConsumeIntegralInRange<size_t>(0, operations_.size() - 1);
  const Operation& operation = *operations_[at];
  sessions_[operation.session].session->Abandon(
      operation.ticket, grpc::Status(grpc::StatusCode::CANCELLED, "gave up"));
  Require(operation.done, "a call that is abandoned has ended");
}

// 0: there is none.
uint64_t Supervisor::PickWorker() {
  const std::vector<ProcessId> alive = spawner_.alive();
  if (alive.empty()) return 0;
  const ProcessId worker = alive[input_->ConsumeIntegralInRange<size_t>(0, alive.size() - 1)];
  if (!spawner_.process(worker).started) spawner_.Started(worker);
  return worker;
}

void Supervisor::Die(uint64_t worker) {
  spawner_.Output(worker, /*is_stderr=*/true, ConsumeString(input_));
  ProcessExit exit;
  exit.known = input_->ConsumeIntegralInRange(0, 7) < 7;
  exit.exit_code = input_->ConsumeIntegral<uint8_t>();
  exit.signal = input_->ConsumeIntegralInRange(0, 64);
  EndProcess(worker, exit);
}

void Supervisor::EndProcess(uint64_t worker, const ProcessExit& exit) {
  for (const auto& operation : operations_) {
    if (operation->worker == worker) operation->worker = 0;
  }
  is_lost_ = is_lost_ || (worker == home_ && !abilities_.is_rebuildable);
  spawner_.Exit(worker, exit);
}

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string Supervisor::GoodReply(uint64_t worker) {
  const FakeWorkerClient::PendingCall& call = client(worker).calls().front();
  return call.method == WorkerMethod::kDescribe ? description_.SerializeAsString()
                                                : workers_[worker].GoodReply(call, input_);
}

void Supervisor::AnswerWell(uint64_t worker) {
  if (client(worker).calls().empty()) return;
  const FakeWorkerClient::PendingCall& call = client(worker).calls().front();
  const auto applied = static_cast<int64_t>(NumbersOf(call).size());
  AnswerCall(worker, {grpc::Status::OK, BufferOf(GoodReply(worker)),
                      workers_[worker].GoodAnswer(call, applied, input_)});
}

void Supervisor::AnswerAnything(uint64_t worker) {
  if (client(worker).calls().empty()) return;
  WorkerReply reply;
  if (input_->ConsumeBool()) {
    const auto code = static_cast<grpc::StatusCode>(input_->ConsumeIntegralInRange(1, 17));
    reply.status = grpc::Status(code, ConsumeString(input_), ConsumeString(input_));
  }
  reply.message = BufferOf(input_->ConsumeBool() ? GoodReply(worker) : ConsumeString(input_));
  switch (input_->ConsumeIntegralInRange(0, 2)) {
    case 0:
      break;
    case 1:
      reply.answer = workers_[worker].GoodAnswer(client(worker).calls().front(),
                                                 input_->ConsumeIntegralInRange(0, 4), input_);
      reply.answer->clean = input_->ConsumeBool();
      if (input_->ConsumeBool()) reply.answer->fingerprint = "different";
      break;
    default:
      reply.answer = ReadMark(ConsumeString(input_));
  }
  AnswerCall(worker, std::move(reply));
}

// What the worker says that it has applied is what counts, whether it is true or not.
void Supervisor::AnswerCall(uint64_t worker, WorkerReply reply) {
  const FakeWorkerClient::PendingCall& call = client(worker).calls().front();
  ModelWorker& model = workers_[worker];
  Numbers numbers = NumbersOf(call);
  Operation* operation = numbers.empty() ? nullptr : operation_of_[numbers.front()];
  const bool is_live = operation != nullptr && operation->worker == worker &&
                       acknowledged_.count(numbers.front()) == 0;
  const bool is_link_failure = !reply.status.ok() && !reply.answer.has_value();
  if (call.method == WorkerMethod::kStep) {
    auto applied = static_cast<int64_t>(numbers.size());
    if (reply.answer.has_value()) applied = std::min(applied, reply.answer->actions_applied);
    numbers.resize(is_link_failure ? 0 : applied);
    if (is_live) {
      answered_ = operation;
      answered_numbers_ = numbers;
    }
  } else if (call.method == WorkerMethod::kHandleParameter && is_live) {
    HandleParameterReply handled;
    const bool is_recorded = reply.status.ok() && Parse(reply.message, &handled).ok() &&
                             handled.known() && handled.changed_state();
    if (!is_recorded) numbers.clear();
    Append(numbers, &operation->recorded);
  }
  if (is_link_failure && is_live) operation->worker = 0;
  const bool was_started = is_started_;
  const bool is_wrong =
      call.method == WorkerMethod::kRestore && input_->ConsumeIntegralInRange(0, 3) == 3;
  model.Answered(call, numbers, is_wrong, &reply);
  client(worker).Answer(std::move(reply));
  if (is_started_ && !was_started) home_ = worker;
  answered_ = nullptr;
}

void Supervisor::CheckNewCalls() {
  for (uint64_t worker = 1; worker <= clients_.size(); ++worker) {
    ModelWorker& model = workers_[worker];
    const auto& calls = client(worker).calls();
    while (model.calls_seen() < model.calls_answered() + calls.size()) {
      CheckCall(worker, calls[model.calls_seen() - model.calls_answered()]);
    }
  }
}

void Supervisor::CheckCall(uint64_t worker, const FakeWorkerClient::PendingCall& call) {
  ModelWorker& model = workers_[worker];
  model.Asked(call);
  Require(abilities_.takes_snapshots ||
              (call.method != WorkerMethod::kSnapshot && call.method != WorkerMethod::kRestore),
          "who takes no snapshots is not asked for them");
  const Numbers numbers = NumbersOf(call);
  if (numbers.empty()) return;
  Require(abilities_.is_rebuildable || worker == home_, "what cannot be replayed is not");
  Operation* const operation = operation_of_[numbers.front()];
  const Numbers& recorded = operation->recorded;
  const bool is_recorded =
      std::find(recorded.begin(), recorded.end(), numbers.front()) != recorded.end();
  Require(model.applied().empty() || model.applied().back() < numbers.front(),
          "nothing is applied twice, or out of order");
  if (acknowledged_.count(numbers.front()) > 0 || (is_recorded && !operation->done)) {
    for (const int64_t number : numbers) {
      Require(is_recorded || acknowledged_.count(number) > 0, "a replay is of what was applied");
    }
    return;
  }
  // What a client asks for now: its worker has the whole history, and nothing else.
  Require(!operation->done, "what was rolled back does not come back");
  Numbers expected = sessions_[operation->session].history;
  Append(recorded, &expected);
  Require(model.applied() == expected, "a call is made on the session's state");
  Require(call.method != WorkerMethod::kStep || numbers == operation->numbers,
          "a step has its actions");
  operation->worker = worker;
}

void Supervisor::EndAll() {
  for (const ModelSession& session : sessions_) session.session->End();
  for (const auto& operation : operations_) Require(operation->done, "every call is answered");
  Settle();
  // Whatever was killed ends, and whatever starts becomes ready. Then what is kept warm is left.
  int unneeded = 0;
  bool is_quiet = false;
  for (int rounds = 0; rounds < 50 && !is_quiet; ++rounds) {
    unneeded = -std::max(sizes_.warm_workers, 1);
    is_quiet = true;
    for (const ProcessId worker : spawner_.alive()) {
      if (spawner_.process(worker).kills > 0) {
        is_quiet = false;
        Exit(worker, SIGKILL);
        continue;
      }
      ++unneeded;
      if (!spawner_.process(worker).started) spawner_.Started(worker);
      if (client(worker).calls().empty()) continue;
      is_quiet = false;
      client(worker).Answer({grpc::Status::OK, {}, WorkerAnswer()});
    }
    if (is_quiet) is_quiet = clock_.UntilNext() > absl::Minutes(1);
    Advance(absl::Minutes(1));
  }
  Require(unneeded <= 0, "every lease is given back");
  // Links end with their workers, and calls with their links.
  for (const auto& client : clients_) {
    while (!client->calls().empty()) {
      client->Answer({grpc::Status(grpc::StatusCode::UNAVAILABLE, "link"), {}, absl::nullopt});
    }
  }
  Settle();
  sessions_.clear();
  for (int i = 0; i < sizes_.prefetched; ++i) {
    Require(prefetched_.TryAdd(), "forks that have ended hold no workers ahead of use");
  }
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  // The fixture's checks end the process, too; libFuzzer does not know how GoogleTest does so.
  GTEST_FLAG_SET(break_on_failure, true);
  signal(SIGTRAP, [](int) { std::abort(); });
  // The pool makes folders: in memory that is ten times as fast. Used by testing::TempDir().
  return setenv("TEST_TMPDIR", "/dev/shm", /*overwrite=*/0);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  holdfast::SilenceProtobuf();
  FuzzedDataProvider input(data, size);
  holdfast::Supervisor(&input).Run();
  return 0;
}
