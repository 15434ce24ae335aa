// Turns, parameters, forks and ends. What goes wrong is in session_failure_test.cc.
#include "frontend/session.h"

#include <algorithm>

#include "tests/frontend/session_fixture.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

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

TEST_F(SessionTest, ParametersBeforeTheOneThatFailedAreUndone) {
  StartOnWorker1();
  StepOn(1, {1});
  SendParametersOfWhichTheSecondFails();
  Step({2});
  ReplayOn(2, {{"step 1", 1}});
  EXPECT_EQ(Asked(2), "step 2");
}

TEST_F(SessionTest, CallBehindOneThatEndsWithoutTheWorkerHasItsTurn) {
  StartOnWorker1();
  Exit(1, SIGKILL);
  const ResultPtr nothing = SendParameters({});
  const ResultPtr step = Step({1});
  ReplayOn(2, {});
  EXPECT_TRUE(nothing->done && nothing->status.ok());
  EXPECT_EQ(Asked(2), "step 1");
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
  session_->Fork(8, kCaller, [&](const grpc::Status& status, std::shared_ptr<Session> forked) {
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

}  // namespace
}  // namespace holdfast
