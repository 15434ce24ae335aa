// Workers that answer anything, at any time, or die: real sessions on a real pool, on the fakes.
//
// Each action and each parameter has a number of its own, so a model of a few lines can tell what
// is in a session's history and what a worker has applied: see CheckNewCalls().
#include <signal.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "absl/strings/strip.h"
#include "frontend/worker_description.h"
#include "tests/frontend/session_fixture.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/wire_size.h"

namespace holdfast {
namespace {

constexpr int kMaxSessions = 4;
// Of the kinds of event that Run() has.
constexpr int kEventsOfSessions = 5;
constexpr int kAbandon = kEventsOfSessions;
constexpr char kParameterPrefix[] = "parameter-";

// Those of a step's actions, or of a parameter.
using Numbers = std::vector<int64_t>;

void Append(const Numbers& more, Numbers* all) {
  all->insert(all->end(), more.begin(), more.end());
}

// A call of a client.
struct Operation {
  size_t session;
  Session::Ticket ticket = 0;
  Numbers numbers;
  Numbers recorded;  // Of several parameters, those that the session has put into its history.
  // The worker that carries it out now; 0: none, what was asked before is stale.
  uint64_t worker = 0;
  bool done = false;
};

struct ModelSession {
  std::shared_ptr<Session> session;
  Numbers history;
};

// What is known of a worker.
struct ModelWorker {
  size_t calls_seen = 0;
  size_t calls_answered = 0;
  int starts = 0;
  Numbers applied;
  int64_t session_id = 0;  // As it said itself.
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
  static Numbers NumbersOf(const FakeWorkerClient::PendingCall& call);

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
  // While a worker's answer is passed on: whose it is, and what it says was applied.
  Operation* answered_ = nullptr;
  Numbers answered_numbers_;
};

Supervisor::Supervisor(FuzzedDataProvider* input) : input_(input) {
  if (!description_.ParseFromString(ConsumeString(input))) description_.Clear();
  environment_.describe_actions = [this](int, const StepRequestView& step) {
    return DescribeActions(description_.spaces().action_space_list_size() == 0
                               ? compiler_gym::ActionSpace()
                               : description_.spaces().action_space_list(0),
                           step);
  };
  sessions_.push_back({session_, {}});
  Operation* const start = NewOperation(0);
  start->ticket = session_->Start({}, Deadline(), Into(start));
}

void Supervisor::Run() {
  while (input_->remaining_bytes() > 0) {
    const auto session = input_->ConsumeIntegralInRange<size_t>(0, sessions_.size() - 1);
    int event = input_->ConsumeIntegralInRange(0, 11);
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
      case kAbandon:
        Abandon();
        break;
      case 6:
        clock_.Advance(absl::Milliseconds(input_->ConsumeIntegralInRange(0, 30000)));
        break;
      case 7:
        if (const uint64_t worker = PickWorker()) Die(worker);
        break;
      case 8:
        if (const uint64_t worker = PickWorker()) AnswerAnything(worker);
        break;
      default:
        if (const uint64_t worker = PickWorker()) AnswerWell(worker);
    }
    Settle();
    CheckNewCalls();
  }
}

Operation* Supervisor::NewOperation(size_t session) {
  operations_.push_back(std::make_unique<Operation>());
  operations_.back()->session = session;
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

void Supervisor::Finish(Operation* operation, const grpc::Status& status) {
  Require(!operation->done, "a call is answered once");
  operation->done = true;
  Require(SizeOnWire(status) <= kMaxStatusOnWire, "a status fits");
  Require(status.error_code() != grpc::StatusCode::UNAVAILABLE || operation->recorded.empty(),
          "what may have been applied is not sent again");
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
  operation->ticket =
      sessions_[session].session->Step(*ScanStepRequest(bytes), bytes, Deadline(), Into(operation));
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
      sessions_[session].session->SendParameters(request, Deadline(), Into(operation));
}

void Supervisor::Fork(size_t session) {
  if (sessions_.size() == kMaxSessions) return;
  Operation* const operation = NewOperation(session);
  operation->ticket = sessions_[session].session->Fork(
      7 + static_cast<int64_t>(operations_.size()), absl::InfiniteFuture(),
      [this, operation](const grpc::Status& status, std::shared_ptr<Session> child) {
        Finish(operation, status);
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
  for (const auto& operation : operations_) {
    if (operation->worker == worker) operation->worker = 0;
  }
  ProcessExit exit;
  exit.known = input_->ConsumeIntegralInRange(0, 7) < 7;
  exit.exit_code = input_->ConsumeIntegral<uint8_t>();
  exit.signal = input_->ConsumeIntegralInRange(0, 64);
  spawner_.Exit(worker, exit);
}

Numbers Supervisor::NumbersOf(const FakeWorkerClient::PendingCall& call) {
  Numbers numbers;
  if (call.method == WorkerMethod::kStep) {
    compiler_gym::StepRequest request;
    Require(Parse(call.request, &request).ok(), "a worker is sent requests that it can parse");
    for (const auto& action : request.action()) numbers.push_back(action.int64_value());
  } else if (call.method == WorkerMethod::kHandleParameter) {
    HandleParameterRequest request;
    Require(Parse(call.request, &request).ok(), "a worker is sent requests that it can parse");
    absl::string_view key = request.parameter().key();
    int64_t number = 0;
    if (absl::ConsumePrefix(&key, kParameterPrefix) && absl::SimpleAtoi(key, &number)) {
      numbers.push_back(number);
    }
  }
  return numbers;
}

std::string Supervisor::GoodReply(uint64_t worker) {
  switch (client(worker).calls().front().method) {
    case WorkerMethod::kDescribe:
      return description_.SerializeAsString();
    case WorkerMethod::kStartSession: {
      compiler_gym::StartSessionReply reply;
      reply.set_session_id(input_->ConsumeIntegral<int8_t>());
      return reply.SerializeAsString();
    }
    case WorkerMethod::kHandleParameter: {
      HandleParameterReply reply;
      reply.set_known(input_->ConsumeIntegralInRange(0, 7) < 7);
      reply.set_changed_state(input_->ConsumeBool());
      return reply.SerializeAsString();
    }
    case WorkerMethod::kFingerprint: {
      FingerprintReply reply;
      reply.set_fingerprint("same");
      return reply.SerializeAsString();
    }
    default:
      return "";
  }
}

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

void Supervisor::AnswerWell(uint64_t worker) {
  if (client(worker).calls().empty()) return;
  const auto applied = static_cast<int64_t>(NumbersOf(client(worker).calls().front()).size());
  const bool is_step = client(worker).calls().front().method == WorkerMethod::kStep;
  AnswerCall(worker, {grpc::Status::OK, BufferOf(GoodReply(worker)),
                      Applied(is_step ? applied : 0, /*clean=*/true, is_step ? "same" : "")});
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
      reply.answer = Applied(input_->ConsumeIntegralInRange(0, 4), input_->ConsumeBool(),
                             input_->ConsumeBool() ? "same" : "different");
      break;
    default:
      const std::string mark = ConsumeString(input_);
      reply.answer = ParseWorkerAnswer(mark);
      if (!reply.answer.has_value()) break;
      Require(reply.answer->actions_applied >= 0, "no fewer actions than none are applied");
      const auto again = ParseWorkerAnswer(FormatWorkerAnswer(*reply.answer));
      Require(again.has_value() && again->clean == reply.answer->clean &&
                  again->is_error == reply.answer->is_error &&
                  again->actions_applied == reply.answer->actions_applied,
              "an answer is read as it was written");
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
  if (call.method == WorkerMethod::kStartSession) {
    compiler_gym::StartSessionReply started;
    if (Parse(reply.message, &started).ok()) model.session_id = started.session_id();
  }
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
  Append(numbers, &model.applied);
  ++model.calls_answered;
  client(worker).Answer(std::move(reply));
  answered_ = nullptr;
}

void Supervisor::CheckNewCalls() {
  for (uint64_t worker = 1; worker <= clients_.size(); ++worker) {
    ModelWorker& model = workers_[worker];
    const auto& calls = client(worker).calls();
    while (model.calls_seen < model.calls_answered + calls.size()) {
      CheckCall(worker, calls[model.calls_seen - model.calls_answered]);
      ++model.calls_seen;
    }
  }
}

void Supervisor::CheckCall(uint64_t worker, const FakeWorkerClient::PendingCall& call) {
  ModelWorker& model = workers_[worker];
  if (call.method == WorkerMethod::kStartSession) {
    Require(++model.starts == 1, "a worker has one session");
  }
  if (call.method == WorkerMethod::kStep) {
    compiler_gym::StepRequest request;
    Require(Parse(call.request, &request).ok() && request.session_id() == model.session_id,
            "a worker's session has the id that it said");
  }
  const Numbers numbers = NumbersOf(call);
  if (numbers.empty()) return;
  Operation* const operation = operation_of_[numbers.front()];
  const Numbers& recorded = operation->recorded;
  const bool is_recorded =
      std::find(recorded.begin(), recorded.end(), numbers.front()) != recorded.end();
  Require(model.applied.empty() || model.applied.back() < numbers.front(),
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
  Require(model.applied == expected, "a call is made on the session's state");
  Require(call.method != WorkerMethod::kStep || numbers == operation->numbers,
          "a step has its actions");
  operation->worker = worker;
}

void Supervisor::EndAll() {
  for (const ModelSession& session : sessions_) session.session->End();
  for (const auto& operation : operations_) Require(operation->done, "every call is answered");
  Settle();
  // Whatever was killed ends, and whatever starts becomes ready. Then one worker is left: idle.
  int unneeded = 0;
  bool is_quiet = false;
  for (int rounds = 0; rounds < 50 && !is_quiet; ++rounds) {
    unneeded = -1;
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
