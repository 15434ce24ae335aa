// A worker without a step lane, which gets a call for each step: the way in which every worker can
// be driven.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/misbehaving_service.h"

namespace holdfast {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

class StepCallsTest : public testing::Test {
 protected:
  MisbehavingService service_{{"--worker_flags=--worker_step_lane=false"}};
  TestSession session_ = service_.NewSession();
};

TEST_F(StepCallsTest, RepliesArePassedOn) {
  compiler_gym::StepReply reply;
  ASSERT_TRUE(StepBy(&session_, {"add_one", "add_one"}, {"actions", "counter"}, &reply).ok());
  EXPECT_EQ(reply.observation(0).string_value(), "add_one,add_one");
  EXPECT_EQ(reply.observation(1).int64_value(), 2);
  ExpectState(&session_, "add_one,add_one = 2");
}

TEST_F(StepCallsTest, AnErrorLeavesWhatWasAppliedBefore) {
  const pid_t worker = WorkerOf(&session_);
  EXPECT_EQ(StepBy(&session_, {"add_one", "fail_clean", "add_one"}).error_code(),
            StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(WorkerOf(&session_), worker);
  ExpectState(&session_, "add_one = 1");
  EXPECT_EQ(StepBy(&session_, {"add_one", "fail_dirty"}).error_code(), StatusCode::INTERNAL);
  EXPECT_NE(WorkerOf(&session_), worker);
  ExpectState(&session_, "add_one,add_one = 2");
}

TEST_F(StepCallsTest, ACrashIsSurvived) {
  ASSERT_TRUE(StepBy(&session_, {"add_one"}).ok());
  const grpc::Status crash = StepBy(&session_, {"add_one", "crash"});
  EXPECT_EQ(crash.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(crash.error_message(), HasSubstr("action[1]"));
  ExpectState(&session_, "add_one = 1");
}

}  // namespace
}  // namespace holdfast
