// An undisturbed session, one that lost its worker and was restored, and a fork of that go on
// alike.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/llvm_fixture.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

constexpr char kRestored[] = "holdfast_snapshots_total{outcome=\"restored\"}";

class LlvmForkTest : public LlvmTest, public testing::WithParamInterface<int> {
 protected:
  int64_t RandomPass() {
    return static_cast<int64_t>(random_() % static_cast<unsigned>(passes_.at(space_).name_size()));
  }
  std::string NameOf(int64_t pass) { return passes_.at(space_).name(static_cast<int>(pass)); }

  const int space_ = action_spaces_.at("passes");
  std::mt19937 random_{static_cast<unsigned>(GetParam())};
};

TEST_P(LlvmForkTest, RestoredForkedAndUndisturbedSessionsAreOne) {
  constexpr int kPassesBefore = 10;
  constexpr int kPassesAfter = 50;
  TestSession undisturbed = NewSession("passes");
  const std::vector<pid_t> others = service_.workers();
  TestSession restored = NewSession("passes");
  for (int i = 0; i < kPassesBefore; ++i) {
    const int64_t pass = RandomPass();
    for (TestSession* session : {&undisturbed, &restored}) {
      ASSERT_TRUE(session->Step({pass}).ok()) << NameOf(pass);
    }
  }
  for (TestSession* session : {&undisturbed, &restored}) {
    std::string reply;
    ASSERT_TRUE(session->SendParameter("llvm.apply_baseline_optimizations", "-O1", &reply).ok());
    EXPECT_EQ(reply, "1");
  }
  std::vector<pid_t> victims = service_.workers();
  TestSession forked = restored.Fork();
  ASSERT_EQ(State(&forked), State(&undisturbed));
  for (const pid_t victim : victims) {
    if (std::find(others.begin(), others.end(), victim) == others.end()) kill(victim, SIGKILL);
  }
  ASSERT_EQ(State(&restored), State(&undisturbed));
  EXPECT_GE(service_.Metric(kRestored).value_or(0), 2) << "they were replayed";

  const std::vector<int> observed = {observations_.at("Ir"), observations_.at("IrSha1"),
                                     observations_.at("Bitcode")};
  for (int i = 0; i < kPassesAfter; ++i) {
    const int64_t pass = RandomPass();
    const std::string step = absl::StrCat(NameOf(pass), ", pass ", i);
    compiler_gym::StepReply expected;
    ASSERT_TRUE(undisturbed.Step({pass}, observed, &expected).ok()) << step;
    for (TestSession* session : {&restored, &forked}) {
      compiler_gym::StepReply reply;
      ASSERT_TRUE(session->Step({pass}, observed, &reply).ok()) << step;
      ASSERT_EQ(reply.action_had_no_effect(), expected.action_had_no_effect()) << step;
      ASSERT_EQ(reply.observation(0).string_value(), expected.observation(0).string_value())
          << step;
      ASSERT_EQ(reply.observation(1).string_value(), expected.observation(1).string_value())
          << step;
      ASSERT_TRUE(reply.observation(2).SerializeAsString() ==
                  expected.observation(2).SerializeAsString())
          << step;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, LlvmForkTest, testing::Range(1, 5));

grpc::Status StepByText(TestSession* session, const std::vector<std::string>& actions) {
  compiler_gym::StepRequest request;
  request.set_session_id(session->id());
  for (const std::string& action : actions) request.add_action()->set_string_value(action);
  compiler_gym::StepReply reply;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  return session->stub().Step(&context, request, &reply);
}

TEST_F(LlvmTest, ForksOfEachSpaceAreEqual) {
  TestSession pipelines = NewSession("pipeline");
  ASSERT_TRUE(
      StepByText(&pipelines, {"default<O1>", "function(newgvn,reassociate),attributor-light"})
          .ok());
  TestSession loops = NewSession("loop");
  ASSERT_TRUE(loops.Step({Action("loop", "vectorize-8"), Action("loop", "unroll-4")}).ok());
  for (TestSession* session : {&pipelines, &loops}) {
    TestSession fork = session->Fork();
    EXPECT_EQ(State(&fork), State(session));
  }
}

TEST_F(LlvmTest, APipelineThatIsNoneIsTheClientsError) {
  TestSession session = NewSession("pipeline");
  const std::string before = State(&session);
  const grpc::Status status = StepByText(&session, {"no-such-pass"});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find("unknown pass name 'no-such-pass'"), std::string::npos)
      << status.error_message();
  EXPECT_EQ(State(&session), before);
}

}  // namespace
}  // namespace holdfast
