#include "frontend/session.h"

#include <signal.h>

#include <algorithm>

#include "tests/frontend/supervision_fixture.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// What a session says after that many actions.
WorkerAnswer Applied(int64_t actions, bool clean = true, const std::string& fingerprint = "") {
  WorkerAnswer answer;
  answer.actions_applied = actions;
  answer.clean = clean;
  answer.fingerprint = fingerprint;
  return answer;
}

TEST(SessionStateTest, OnlyTheTableIsLegal) {
  using S = SessionState;
  std::vector<std::pair<S, S>> legal = {
      {S::kParked, S::kMaterialising}, {S::kMaterialising, S::kResident},
      {S::kMaterialising, S::kParked}, {S::kMaterialising, S::kLost},
      {S::kResident, S::kBusy},        {S::kResident, S::kParked},
      {S::kBusy, S::kResident},        {S::kBusy, S::kParked},
      {S::kBusy, S::kRecovering},      {S::kRecovering, S::kResident},
      {S::kRecovering, S::kParked},    {S::kRecovering, S::kLost},
  };
  for (int from = 0; from < kSessionStates; ++from) {
    if (static_cast<S>(from) != S::kEnded) legal.emplace_back(static_cast<S>(from), S::kEnded);
  }
  for (int from = 0; from < kSessionStates; ++from) {
    for (int to = 0; to < kSessionStates; ++to) {
      const std::pair<S, S> pair(static_cast<S>(from), static_cast<S>(to));
      EXPECT_EQ(IsLegalTransition(pair.first, pair.second),
                std::find(legal.begin(), legal.end(), pair) != legal.end())
          << SessionStateName(pair.first) << " -> " << SessionStateName(pair.second);
    }
  }
}

class SessionTest : public SupervisionFixture {
 protected:
  SessionTest() {
    WorkerPool::Options options;
    options.warm = 0;
    options.max = 10;
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
    environment_.on_failure = [this](int64_t, const WorkerFailure& failure) {
      failures_.push_back(failure);
    };
    environment_.history_bytes = &history_bytes_;
    auto benchmark = std::make_shared<compiler_gym::Benchmark>();
    benchmark->set_uri("benchmark://test-v0/a");
    session_ = std::make_shared<Session>(7, SessionOrigin{benchmark, 0}, &environment_);
  }
  ~SessionTest() override {
    session_->End();
    Settle();
    session_.reset();
    pool_.reset();
    clients_.clear();  // And with them a replay that had not ended.
    EXPECT_EQ(history_bytes_, 0);
  }

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
    session_->Start({}, absl::InfiniteFuture(), Into(result));
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
        session_->Step(*ScanStepRequest(bytes), bytes, absl::InfiniteFuture(), Into(result));
    if (ticket != nullptr) *ticket = got;
    Settle();
    return result;
  }
  ResultPtr SendParameters(const std::vector<std::string>& keys) {
    auto result = std::make_shared<Result>();
    compiler_gym::SendSessionParameterRequest request;
    for (const std::string& key : keys) request.add_parameter()->set_key(key);
    session_->SendParameters(request, absl::InfiniteFuture(), Into(result));
    Settle();
    return result;
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
  void AnswerError(uint64_t worker, grpc::StatusCode code, absl::optional<WorkerAnswer> answer) {
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

  SessionEnvironment environment_;
  std::vector<RecoveryOutcome> recoveries_;
  std::vector<WorkerFailure> failures_;
  History::ByteCount history_bytes_{0};
  std::shared_ptr<Session> session_;
};

TEST_F(SessionTest, StartAnswersWithItsOwnId) {
  const ResultPtr started = Start();
  EXPECT_EQ(session_->state(), SessionState::kMaterialising);
  BecomeReady(1);
  AnswerStart(1);
  compiler_gym::StartSessionReply reply;
  ASSERT_TRUE(Parse(started->reply, &reply).ok());
  EXPECT_EQ(reply.session_id(), 7);
  EXPECT_EQ(session_->state(), SessionState::kResident);
}

TEST_F(SessionTest, CallsHaveTheirTurnInOrder) {
  StartOnWorker1();
  const ResultPtr first = Step({1});
  const ResultPtr second = Step({2});
  EXPECT_EQ(client(1).calls().size(), 1u) << "one at a time";
  EXPECT_EQ(Asked(1), "step 1");
  AnswerStep(1, 1);
  EXPECT_TRUE(first->done);
  EXPECT_FALSE(second->done);
  EXPECT_EQ(Asked(1), "step 2");
  AnswerStep(1, 1);
  EXPECT_TRUE(second->done);
}

TEST_F(SessionTest, WorkerThatDiesBetweenCallsIsNotNoticed) {
  StartOnWorker1();
  StepOn(1, {1, 2});
  StepOn(1, {});
  StepOn(1, {3});
  Exit(1, SIGKILL);
  EXPECT_EQ(session_->state(), SessionState::kParked);
  const ResultPtr next = Step({4});
  ReplayOn(2, {{"step 1 2", 2}, {"step 3", 1}});
  EXPECT_EQ(Asked(2), "step 4");
  AnswerStep(2, 1);
  EXPECT_TRUE(next->status.ok());
  EXPECT_THAT(recoveries_, ElementsAre(RecoveryOutcome::kRestored));
}

TEST_F(SessionTest, CrashThatDoesNotRepeatIsNotNoticed) {
  StartOnWorker1();
  StepOn(1, {1});
  const ResultPtr step = Step({2});
  Crash(1);
  EXPECT_FALSE(step->done);
  EXPECT_EQ(session_->state(), SessionState::kRecovering);
  ReplayOn(2, {{"step 1", 1}});
  AnswerStep(2, 1);
  EXPECT_TRUE(step->status.ok());
}

TEST_F(SessionTest, ExitMaySpeakBeforeTheLink) {
  StartOnWorker1();
  const ResultPtr step = Step({2});
  Exit(1, SIGSEGV);
  BecomeReady(2);
  EXPECT_EQ(Asked(2), "start");
  AnswerError(1, grpc::StatusCode::UNAVAILABLE, absl::nullopt);  // Late: dropped.
  AnswerStart(2);
  AnswerStep(2, 1);
  EXPECT_TRUE(step->status.ok());
  EXPECT_EQ(failures_.size(), 1u);
}

TEST_F(SessionTest, CrashThatRepeatsIsAbortedAndRolledBack) {
  StartOnWorker1();
  StepOn(1, {1});
  const ResultPtr step = Step({66});
  Crash(1);
  ReplayOn(2, {{"step 1", 1}});
  Crash(2);
  ASSERT_TRUE(step->done);
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(step->status.error_message(), HasSubstr("some-action"));
  EXPECT_THAT(step->status.error_message(), HasSubstr("signal 11"));
  StatusDetails details;
  ASSERT_TRUE(details.ParseFromString(step->status.error_details()));
  WorkerFailure failure;
  ASSERT_TRUE(details.details(0).UnpackTo(&failure));
  EXPECT_EQ(failure.cause(), WorkerFailure::SIGNAL);
  EXPECT_EQ(failure.attempts(), 2);
  EXPECT_EQ(failure.actions_applied(), 1);
  EXPECT_EQ(failure.during(), "Step");
  // Usable, at the state before.
  const ResultPtr next = Step({2});
  ReplayOn(3, {{"step 1", 1}});
  EXPECT_EQ(Asked(3), "step 2");
  AnswerStep(3, 1);
  EXPECT_TRUE(next->status.ok());
}

TEST_F(SessionTest, StepThatTakesTooLongIsKilledAndNotTriedAgain) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  AnswerError(1, grpc::StatusCode::DEADLINE_EXCEEDED, absl::nullopt);
  EXPECT_EQ(spawner_.process(1).kills, 1);
  Exit(1, SIGKILL);
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(step->status.error_message(), HasSubstr("--step_timeout"));
  const ResultPtr next = Step({2});
  ReplayOn(2, {});
  EXPECT_EQ(Asked(2), "step 2");
}

TEST_F(SessionTest, CleanErrorKeepsTheWorkerAndTheAppliedActions) {
  StartOnWorker1();
  const ResultPtr step = Step({1, 2, 3});
  AnswerError(1, grpc::StatusCode::OUT_OF_RANGE, Applied(2, true));
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(step->status.error_message(), "worker's words");
  EXPECT_EQ(session_->state(), SessionState::kResident);
  Exit(1, SIGKILL);
  Step({4});
  ReplayOn(2, {{"step 1 2", 2}});
}

TEST_F(SessionTest, DirtyErrorRebuildsWithTheAppliedActions) {
  StartOnWorker1();
  const ResultPtr step = Step({1, 2, 3});
  AnswerError(1, grpc::StatusCode::INTERNAL, Applied(1, false));
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::INTERNAL);
  Step({4});
  ReplayOn(2, {{"step 1", 1}});
  EXPECT_EQ(Asked(2), "step 4");
}

TEST_F(SessionTest, SessionsUnavailableIsNotTheClients) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  AnswerError(1, grpc::StatusCode::UNAVAILABLE, Applied(0, true));
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::INTERNAL);
}

TEST_F(SessionTest, MoreActionsThanAskedForAreNotBelieved) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  AnswerStep(1, 1000);
  EXPECT_TRUE(step->status.ok());
  Exit(1, SIGKILL);
  Step({});
  ReplayOn(2, {{"step 1", 1}});
}

TEST_F(SessionTest, ReplyThatIsTooLargeNamesTheFlag) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  AnswerError(1, grpc::StatusCode::RESOURCE_EXHAUSTED, absl::nullopt);
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(step->status.error_message(), HasSubstr("--max_message_bytes"));
  Step({2});
  ReplayOn(2, {});
}

TEST_F(SessionTest, BenchmarkThatKillsItsWorkerTwiceIsRefused) {
  const ResultPtr started = Start();
  BecomeReady(1);
  Crash(1);
  EXPECT_FALSE(started->done);
  BecomeReady(2);
  Crash(2);
  ASSERT_TRUE(started->done);
  EXPECT_EQ(started->status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(started->status.error_message(), HasSubstr("benchmark://test-v0/a"));
  EXPECT_EQ(session_->state(), SessionState::kEnded);
}

TEST_F(SessionTest, NotFoundOfInitIsInvalidArgument) {
  const ResultPtr started = Start();
  BecomeReady(1);
  AnswerError(1, grpc::StatusCode::NOT_FOUND, Applied(0, false));
  EXPECT_EQ(started->status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(session_->state(), SessionState::kEnded);
}

TEST_F(SessionTest, RecoveryThatDivergesLosesTheSession) {
  StartOnWorker1();
  StepOn(1, {1, 2});
  Exit(1, SIGKILL);
  const ResultPtr next = Step({3});
  BecomeReady(2);
  AnswerStart(2);
  AnswerStep(2, 1);  // Two had been applied.
  EXPECT_EQ(next->status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(Step({4})->status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(recoveries_, ElementsAre(RecoveryOutcome::kLost));
}

TEST_F(SessionTest, RecoveryIsCheckedByTheLastFingerprint) {
  StartOnWorker1();
  for (const char* fingerprint : {"one", "two", ""}) {
    const ResultPtr step = Step({1});
    AnswerStep(1, 1, fingerprint);
    ASSERT_TRUE(step->status.ok());
  }
  for (const bool is_same : {true, false}) {
    const uint64_t worker = spawner_.last() + 1;
    Exit(spawner_.last(), SIGKILL);
    const ResultPtr next = Step({});
    ReplayOn(worker, {{"step 1", 1}, {"step 1", 1}});
    ASSERT_EQ(client(worker).calls().front().method, WorkerMethod::kFingerprint);
    FingerprintReply reply;
    reply.set_fingerprint(is_same ? "two" : "three");
    Answer(worker, reply, Applied(0));
    if (is_same) {
      AnswerStep(worker, 1);
      AnswerStep(worker, 0);
      EXPECT_TRUE(next->status.ok());
    } else {
      EXPECT_EQ(next->status.error_code(), grpc::StatusCode::DATA_LOSS);
      EXPECT_THAT(next->status.error_message(), HasSubstr("fingerprint"));
    }
  }
}

TEST_F(SessionTest, RecoveryThatCrashesIsTriedTwiceAndNoMore) {
  StartOnWorker1();
  StepOn(1, {1});
  Exit(1, SIGKILL);
  const ResultPtr next = Step({2});
  for (uint64_t worker = 2; worker <= 3; ++worker) {
    BecomeReady(worker);
    AnswerStart(worker);
    EXPECT_EQ(Asked(worker), "step 1");
    EXPECT_FALSE(next->done);
    Crash(worker);
  }
  EXPECT_EQ(next->status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(spawner_.spawned(), 3u);
}

TEST_F(SessionTest, RecoveryWithoutTimeIsTriedAgainByTheNextCall) {
  StartOnWorker1();
  StepOn(1, {1});
  Exit(1, SIGKILL);
  const ResultPtr late = Step({2});
  BecomeReady(2);
  AnswerStart(2);
  AnswerError(2, grpc::StatusCode::DEADLINE_EXCEEDED, absl::nullopt);
  Exit(2, SIGKILL);
  EXPECT_EQ(late->status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  const ResultPtr next = Step({3});
  ReplayOn(3, {{"step 1", 1}});
  AnswerStep(3, 1);
  EXPECT_TRUE(next->status.ok());
  EXPECT_THAT(recoveries_, ElementsAre(RecoveryOutcome::kAbandoned, RecoveryOutcome::kRestored));
}

TEST_F(SessionTest, ParametersThatChangeStateAreReplayedInTheirPlace) {
  StartOnWorker1();
  StepOn(1, {1});
  const ResultPtr sent = SendParameters({"set", "get", "builtin"});
  HandleParameterReply set;
  set.set_known(true);
  set.set_reply("was set");
  set.set_changed_state(true);
  EXPECT_EQ(Asked(1), "parameter set");
  Answer(1, set, Applied(0));
  HandleParameterReply get;
  get.set_known(true);
  get.set_reply("is set");
  EXPECT_EQ(Asked(1), "parameter get");
  Answer(1, get, Applied(0));
  EXPECT_EQ(Asked(1), "parameter builtin");
  Answer(1, HandleParameterReply(), Applied(0));
  compiler_gym::SendSessionParameterReply replies;
  ASSERT_TRUE(sent->status.ok()) << sent->status.error_message();
  ASSERT_TRUE(Parse(sent->reply, &replies).ok());
  EXPECT_THAT(replies.reply(), ElementsAre("was set", "is set", "from the service"));
  StepOn(1, {2});
  Exit(1, SIGKILL);
  Step({3});
  BecomeReady(2);
  AnswerStart(2);
  EXPECT_EQ(Asked(2), "step 1");
  AnswerStep(2, 1);
  EXPECT_EQ(Asked(2), "parameter set");
  Answer(2, set, Applied(0));
  EXPECT_EQ(Asked(2), "step 2");
  AnswerStep(2, 1);
  EXPECT_EQ(Asked(2), "step 3");
}

TEST_F(SessionTest, UnknownParameterIsNamed) {
  StartOnWorker1();
  const ResultPtr sent = SendParameters({"no.such"});
  Answer(1, HandleParameterReply(), Applied(0));
  EXPECT_EQ(sent->status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(sent->status.error_message(), "Unknown parameter: no.such");
  EXPECT_EQ(session_->state(), SessionState::kResident);
}

TEST_F(SessionTest, ForkCopiesTheMomentOfItsTurn) {
  StartOnWorker1();
  StepOn(1, {1});
  const ResultPtr before = Step({2});
  std::shared_ptr<Session> child;
  session_->Fork(8, absl::InfiniteFuture(),
                 [&](const grpc::Status& status, std::shared_ptr<Session> forked) {
                   EXPECT_TRUE(status.ok());
                   child = std::move(forked);
                 });
  const ResultPtr after = Step({3});
  EXPECT_EQ(child, nullptr) << "its turn is behind the step";
  AnswerStep(1, 1);
  ASSERT_NE(child, nullptr);
  EXPECT_EQ(child->id(), 8);
  AnswerStep(1, 1);
  EXPECT_TRUE(after->status.ok());
  std::swap(session_, child);
  const ResultPtr childs = Step({4});
  ReplayOn(2, {{"step 1", 1}, {"step 2", 1}});
  EXPECT_EQ(Asked(2), "step 4");
  AnswerStep(2, 1);
  EXPECT_TRUE(childs->status.ok());
  EXPECT_THAT(recoveries_, IsEmpty());
  child->End();
}

TEST_F(SessionTest, QueuedCallThatIsAbandonedNeverRuns) {
  StartOnWorker1();
  const ResultPtr running = Step({1});
  Session::Ticket ticket = 0;
  const ResultPtr queued = Step({2}, &ticket);
  session_->Abandon(ticket, grpc::Status(grpc::StatusCode::CANCELLED, ""));
  EXPECT_EQ(queued->status.error_code(), grpc::StatusCode::CANCELLED);
  AnswerStep(1, 1);
  EXPECT_TRUE(running->status.ok());
  EXPECT_EQ(Asked(1), "");
  session_->Abandon(ticket, grpc::Status::CANCELLED);  // Once more does nothing.
}

TEST_F(SessionTest, RunningCallThatIsAbandonedIsRolledBack) {
  StartOnWorker1();
  StepOn(1, {1});
  Session::Ticket ticket = 0;
  const ResultPtr running = Step({2}, &ticket);
  const ResultPtr behind = Step({3});
  session_->Abandon(ticket, grpc::Status(grpc::StatusCode::CANCELLED, ""));
  Settle();
  EXPECT_EQ(running->status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(spawner_.process(1).kills, 1);
  AnswerStep(1, 1);  // Too late: it does not count.
  ReplayOn(2, {{"step 1", 1}});
  EXPECT_EQ(Asked(2), "step 3");
  AnswerStep(2, 1);
  EXPECT_TRUE(behind->status.ok());
}

TEST_F(SessionTest, EndInMidStepAnswersAllCallsAtOnce) {
  StartOnWorker1();
  const ResultPtr running = Step({1});
  const ResultPtr queued = Step({2});
  session_->End();
  EXPECT_EQ(running->status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(queued->status.error_code(), grpc::StatusCode::NOT_FOUND);
  Settle();
  EXPECT_EQ(spawner_.process(1).kills, 1);
  EXPECT_EQ(Step({3})->status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(SessionTest, LeaseThatComesTooLateIsReturnedUnused) {
  const ResultPtr started = Start();
  session_->End();
  EXPECT_EQ(started->status.error_code(), grpc::StatusCode::ABORTED);
  BecomeReady(1);
  const auto other = Acquire();
  ASSERT_TRUE(other->lease.ok());
  EXPECT_EQ(other->lease->worker_id, 1u);
}

TEST_F(SessionTest, RetryWithoutAWorkerIsUnconfirmed) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  Crash(1);
  Advance(absl::Hours(1));
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(step->status.error_message(), HasSubstr("unconfirmed"));
}

TEST_F(SessionTest, CallWithoutAWorkerMayBeSentAgain) {
  const ResultPtr started = Start();
  Advance(absl::Hours(1));
  EXPECT_EQ(started->status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

}  // namespace
}  // namespace holdfast
