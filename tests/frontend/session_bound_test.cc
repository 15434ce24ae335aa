// Sessions that cannot be replayed: they are bound to their workers.
#include "frontend/session.h"
#include "tests/frontend/session_fixture.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

class BoundSessionTest : public SessionTest {
 protected:
  BoundSessionTest() { abilities_.is_rebuildable = false; }
};

TEST_F(BoundSessionTest, WhatCannotBeReplayedKeepsParametersBeforeOneThatFails) {
  StartOnWorker1();
  SendParametersOfWhichTheSecondFails();
  StepOn(1, {1});
}

TEST_F(BoundSessionTest, WhatCannotBeReplayedIsLostWithAReplyThatIsTooLarge) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  AnswerError(1, grpc::StatusCode::RESOURCE_EXHAUSTED, absl::nullopt);
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(step->status.error_message(), HasSubstr("--max_message_bytes"));
}

TEST_F(BoundSessionTest, SessionThatCannotBeReplayedIsBoundToItsWorker) {
  StartOnWorker1();
  StepOn(1, {1});
  EXPECT_FALSE(session_->AskBack());
  session_->ParkIfIdleSince(absl::Now());
  EXPECT_EQ(session_->state(), SessionState::kResident);
  grpc::Status forked;
  session_->Fork(8, kCaller,
                 [&](const grpc::Status& status, const std::shared_ptr<Session>& child) {
                   forked = status;
                   EXPECT_EQ(child, nullptr);
                 });
  EXPECT_EQ(forked.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  Exit(1, SIGSEGV);
  const ResultPtr next = Step({2});
  EXPECT_EQ(next->status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(next->status.error_message(), HasSubstr("cannot be replayed"));
  EXPECT_THAT(next->status.error_message(), HasSubstr("signal 11")) << "why it is gone";
}

TEST_F(BoundSessionTest, SessionThatCannotBeReplayedIsLostInACrash) {
  StartOnWorker1();
  const ResultPtr step = Step({1});
  Crash(1);
  EXPECT_EQ(step->status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(step->status.error_message(), HasSubstr("cannot be replayed"));
  EXPECT_THAT(step->status.error_message(), HasSubstr("signal 11"));
}

}  // namespace
}  // namespace holdfast
