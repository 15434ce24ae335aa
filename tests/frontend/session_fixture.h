// A session on a pool of fake workers, and the words to drive both.
#ifndef HOLDFAST_TESTS_FRONTEND_SESSION_FIXTURE_H_
#define HOLDFAST_TESTS_FRONTEND_SESSION_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "frontend/session.h"
#include "tests/frontend/supervision_fixture.h"

namespace holdfast {

// What a session says after that many actions.
inline WorkerAnswer Applied(int64_t actions, bool clean = true,
                            const std::string& fingerprint = "") {
  WorkerAnswer answer;
  answer.actions_applied = actions;
  answer.clean = clean;
  answer.fingerprint = fingerprint;
  return answer;
}

// The record in the details of a status; nullopt: there is none.
inline absl::optional<WorkerFailure> FailureIn(const grpc::Status& status) {
  StatusDetails details;
  WorkerFailure failure;
  if (!details.ParseFromString(status.error_details()) || details.details_size() != 1 ||
      !details.details(0).UnpackTo(&failure)) {
    return absl::nullopt;
  }
  return failure;
}

class SessionTest : public SupervisionFixture {
 public:
  struct Sizes {
    int warm_workers = 0;
    int max_workers = 10;
    int64_t checkpoint_bytes = 1 << 20;
    int prefetched = 0;
  };

 protected:
  SessionTest() : SessionTest(Sizes()) {}
  explicit SessionTest(const Sizes& sizes)
      : sizes_(sizes), checkpoints_(sizes.checkpoint_bytes), prefetched_(sizes.prefetched) {
    WorkerPool::Options options;
    options.warm = sizes.warm_workers;
    options.max = sizes.max_workers;
    MakePool(options);
    environment_.workers = pool_.get();
    environment_.builtin_parameter =
        [](absl::string_view key,
           absl::string_view) -> absl::optional<absl::StatusOr<std::string>> {
      if (key != "builtin") return absl::nullopt;
      return {std::string("from the service")};
    };
    environment_.describe_actions = [](int, const StepRequestView&) { return "some-action"; };
    environment_.on_transition = [](auto, auto) {};
    environment_.on_recovery = [this](RecoveryOutcome outcome, absl::Duration) {
      recoveries_.push_back(outcome);
    };
    environment_.on_failure = [this](CrashEvent event) {
      failures_.push_back(event.failure);
      events_.push_back(std::move(event));
    };
    environment_.on_refused = [this] { ++refused_; };
    environment_.history_bytes = &history_bytes_;
    environment_.on_snapshot = [this](SnapshotOutcome outcome) { snapshots_.push_back(outcome); };
    environment_.checkpoints = &checkpoints_;
    environment_.prefetched = &prefetched_;
    environment_.abilities = [this] { return abilities_; };
    auto benchmark = std::make_shared<compiler_gym::Benchmark>();
    benchmark->set_uri("benchmark://test-v0/a");
    session_ = std::make_shared<Session>(7, SessionOrigin{benchmark, 0}, &environment_);
  }
  ~SessionTest() override {
    session_->End();
    Settle();
    session_.reset();
    pool_.reset();
    events_.clear();   // They share the history.
    clients_.clear();  // And with them a replay that had not ended.
    EXPECT_EQ(history_bytes_, 0);
  }

  static constexpr Session::Caller kCaller = {/*connection=*/1};
  struct Result {
    bool done = false;
    grpc::Status status;
    grpc::ByteBuffer reply;
  };
  using ResultPtr = std::shared_ptr<Result>;
  static Session::Done Into(const ResultPtr& result) {
    return [result](const grpc::Status& status, const grpc::ByteBuffer& reply) {
      EXPECT_FALSE(result->done) << "answered twice";
      result->done = true;
      result->status = status;
      result->reply = reply;
    };
  }

  ResultPtr Start() {
    auto result = std::make_shared<Result>();
    session_->Start({}, kCaller, Into(result));
    Settle();
    return result;
  }
  // A step with these actions.
  ResultPtr Step(const std::vector<int64_t>& actions, Session::Ticket* ticket = nullptr) {
    auto result = std::make_shared<Result>();
    compiler_gym::StepRequest request;
    request.set_session_id(7);
    for (const int64_t action : actions) request.add_action()->set_int64_value(action);
    const grpc::ByteBuffer bytes = Serialize(request);
    const Session::Ticket got =
        session_->Step(*ScanStepRequest(bytes), bytes, kCaller, Into(result));
    if (ticket != nullptr) *ticket = got;
    Settle();
    return result;
  }
  ResultPtr SendParameters(const std::vector<std::string>& keys) {
    auto result = std::make_shared<Result>();
    compiler_gym::SendSessionParameterRequest request;
    for (const std::string& key : keys) request.add_parameter()->set_key(key);
    session_->SendParameters(request, kCaller, Into(result));
    Settle();
    return result;
  }
  // One that changes the state, then one that the session does not know.
  void SendParametersOfWhichTheSecondFails() {
    const ResultPtr sent = SendParameters({"set", "no.such"});
    HandleParameterReply set;
    set.set_known(true);
    set.set_changed_state(true);
    Answer(1, set, Applied(0));
    Answer(1, HandleParameterReply(), Applied(0));
    EXPECT_EQ(sent->status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }

  // What the worker is asked now, as "start", "step 1 2", "parameter k"; empty: nothing.
  std::string Asked(uint64_t worker) {
    if (client(worker).calls().empty()) return "";
    const auto& call = client(worker).calls().front();
    switch (call.method) {
      case WorkerMethod::kStartSession:
        return "start";
      case WorkerMethod::kStep: {
        compiler_gym::StepRequest request;
        EXPECT_TRUE(Parse(call.request, &request).ok());
        EXPECT_EQ(request.session_id(), 100 + static_cast<int64_t>(worker)) << "the worker's own";
        std::string text = "step";
        for (const auto& action : request.action()) {
          text += " " + std::to_string(action.int64_value());
        }
        return text;
      }
      case WorkerMethod::kHandleParameter: {
        HandleParameterRequest request;
        EXPECT_TRUE(Parse(call.request, &request).ok());
        return "parameter " + request.parameter().key();
      }
      case WorkerMethod::kRestore: {
        RestoreRequest request;
        EXPECT_TRUE(Parse(call.request, &request).ok());
        return "restore " + request.snapshot().data();
      }
      case WorkerMethod::kSnapshot:
        return "snapshot";
      case WorkerMethod::kFingerprint:
        return "fingerprint";
      case WorkerMethod::kEndSession:
        return "end";
      default:
        return "something else";
    }
  }
  void Answer(uint64_t worker, const google::protobuf::Message& message, WorkerAnswer answer) {
    client(worker).Answer({grpc::Status::OK, Serialize(message), answer});
    Settle();
  }
  void AnswerStart(uint64_t worker) {
    compiler_gym::StartSessionReply reply;
    reply.set_session_id(100 + static_cast<int64_t>(worker));
    Answer(worker, reply, Applied(0));
  }
  void AnswerStep(uint64_t worker, int64_t applied, const std::string& fingerprint = "") {
    Answer(worker, compiler_gym::StepReply(), Applied(applied, true, fingerprint));
  }
  // After an action that took long, the session wants a snapshot.
  void AnswerLongStep(uint64_t worker, int64_t applied) {
    WorkerAnswer answer = Applied(applied);
    answer.action_time = absl::Hours(1);
    Answer(worker, compiler_gym::StepReply(), answer);
  }
  void AnswerSnapshot(uint64_t worker, const std::string& data,
                      const std::string& fingerprint = "") {
    SnapshotReply reply;
    reply.mutable_snapshot()->set_data(data);
    reply.set_fingerprint(fingerprint);
    Answer(worker, reply, Applied(0));
  }
  void AnswerRestore(uint64_t worker) {
    RestoreReply reply;
    reply.set_session_id(100 + static_cast<int64_t>(worker));
    Answer(worker, reply, Applied(0));
  }
  void AnswerFingerprint(uint64_t worker, const std::string& fingerprint) {
    FingerprintReply reply;
    reply.set_fingerprint(fingerprint);
    Answer(worker, reply, Applied(0));
  }
  void AnswerError(uint64_t worker, grpc::StatusCode code,
                   const absl::optional<WorkerAnswer>& answer) {
    client(worker).Answer({grpc::Status(code, "worker's words"), {}, answer});
    Settle();
  }
  // The worker crashes within a call: the link fails, and its exit is seen.
  void Crash(uint64_t worker) {
    AnswerError(worker, grpc::StatusCode::UNAVAILABLE, absl::nullopt);
    Exit(worker, SIGSEGV);
  }
  void StartOnWorker1() {
    const ResultPtr started = Start();
    BecomeReady(1);
    ASSERT_EQ(Asked(1), "start");
    AnswerStart(1);
    ASSERT_TRUE(started->done && started->status.ok());
  }
  void StepOn(uint64_t worker, const std::vector<int64_t>& actions) {
    const ResultPtr stepped = Step(actions);
    AnswerStep(worker, static_cast<int64_t>(actions.size()));
    ASSERT_TRUE(stepped->done && stepped->status.ok());
  }
  // Answers the start and the given steps of a replay.
  void ReplayOn(uint64_t worker, const std::vector<std::pair<std::string, int>>& expected) {
    BecomeReady(worker);
    ASSERT_EQ(Asked(worker), "start");
    AnswerStart(worker);
    for (const auto& [asked, applied] : expected) {
      ASSERT_EQ(Asked(worker), asked);
      AnswerStep(worker, applied);
    }
  }

  const Sizes sizes_;
  SessionEnvironment environment_;
  std::vector<RecoveryOutcome> recoveries_;
  std::vector<WorkerFailure> failures_;
  std::vector<CrashEvent> events_;
  int refused_ = 0;
  History::ByteCount history_bytes_{0};
  CheckpointStore checkpoints_;
  BoundedCount prefetched_;
  SessionAbilities abilities_;
  std::vector<SnapshotOutcome> snapshots_;
  std::shared_ptr<Session> session_;
};

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_FRONTEND_SESSION_FIXTURE_H_
