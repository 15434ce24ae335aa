#include "frontend/health/drain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/invariant.h"
#include "frontend/fake_clock.h"

namespace holdfast {
namespace {

using testing::ElementsAre;

TEST(DrainPhaseTest, OnlyTheseTransitionsAreLegal) {
  using P = DrainPhase;
  const std::set<std::pair<P, P>> legal = {
      {P::kServing, P::kDraining}, {P::kServing, P::kClosing}, {P::kDraining, P::kClosing},
      {P::kClosing, P::kAborting}, {P::kClosing, P::kEnded},   {P::kAborting, P::kEnded},
  };
  for (int from = 0; from < kDrainPhases; ++from) {
    for (int to = 0; to < kDrainPhases; ++to) {
      const std::pair<P, P> pair = {static_cast<P>(from), static_cast<P>(to)};
      EXPECT_EQ(IsLegalTransition(pair.first, pair.second), legal.count(pair) > 0)
          << DrainPhaseName(pair.first) << " to " << DrainPhaseName(pair.second);
    }
  }
}

class DrainTest : public testing::Test {
 protected:
  ~DrainTest() override { EXPECT_EQ(BrokenInvariants(), 0); }

  Drain MakeDrain(absl::Duration sessions, absl::Duration calls = absl::Seconds(10)) {
    Drain::Actions actions;
    actions.tell_not_ready = [this] { done_.emplace_back("not ready"); };
    actions.count_sessions = [this] { return sessions_; };
    actions.refuse_calls = [this](absl::AnyInvocable<void()> on_idle) {
      done_.emplace_back("refuse");
      on_idle_ = std::move(on_idle);
    };
    actions.abort_calls = [this] { done_.emplace_back("abort"); };
    actions.end = [this] { done_.emplace_back("end"); };
    actions.post = [](absl::AnyInvocable<void()> work) { work(); };
    return Drain(&clock_, {sessions, calls}, std::move(actions));
  }

  FakeClock clock_;
  int sessions_ = 3;
  std::vector<std::string> done_;
  absl::AnyInvocable<void()> on_idle_;
};

TEST_F(DrainTest, WithoutTimeForSessionsCallsAreRefusedAtOnce) {
  Drain drain = MakeDrain(absl::ZeroDuration());
  drain.OnSignal(SIGTERM);
  EXPECT_THAT(done_, ElementsAre("not ready", "refuse"));
  EXPECT_EQ(drain.phase(), DrainPhase::kClosing);
  on_idle_();
  EXPECT_THAT(done_, ElementsAre("not ready", "refuse", "end"));
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(done_.size(), 3u) << "the end comes once";
}

TEST_F(DrainTest, CallsThatGoOnForTooLongAreAborted) {
  Drain drain = MakeDrain(absl::ZeroDuration(), absl::Seconds(10));
  drain.OnSignal(SIGTERM);
  clock_.Advance(absl::Milliseconds(9999));
  EXPECT_EQ(drain.phase(), DrainPhase::kClosing);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_THAT(done_, ElementsAre("not ready", "refuse", "abort"));
  clock_.Advance(Drain::kAnswerTimeout);
  EXPECT_THAT(done_, ElementsAre("not ready", "refuse", "abort", "end"));
}

TEST_F(DrainTest, SessionsGoOnForTheirTime) {
  Drain drain = MakeDrain(absl::Minutes(5));
  drain.Begin("test");
  EXPECT_THAT(done_, ElementsAre("not ready"));
  clock_.Advance(absl::Minutes(5) - absl::Milliseconds(1));
  EXPECT_EQ(drain.phase(), DrainPhase::kDraining);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_THAT(done_, ElementsAre("not ready", "refuse"));
}

TEST_F(DrainTest, EndsWithTheLastSession) {
  Drain drain = MakeDrain(absl::Minutes(5));
  drain.Begin("test");
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(drain.phase(), DrainPhase::kDraining);
  sessions_ = 0;
  clock_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(drain.phase(), DrainPhase::kClosing);
}

TEST_F(DrainTest, WithoutSessionsBalancersAreGivenTimeToNotice) {
  sessions_ = 0;
  Drain drain = MakeDrain(absl::Minutes(5));
  drain.Begin("test");
  clock_.Advance(Drain::kNotice - absl::Milliseconds(1));
  EXPECT_EQ(drain.phase(), DrainPhase::kDraining);
  clock_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(drain.phase(), DrainPhase::kClosing);
}

TEST_F(DrainTest, ButNoMoreThanTheTimeForSessions) {
  sessions_ = 0;
  Drain drain = MakeDrain(absl::Seconds(1));
  drain.Begin("test");
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(drain.phase(), DrainPhase::kClosing);
}

TEST_F(DrainTest, ASecondSignalDoesNotWait) {
  Drain drain = MakeDrain(absl::Minutes(5));
  drain.OnSignal(SIGTERM);
  drain.OnSignal(SIGTERM);
  EXPECT_THAT(done_, ElementsAre("not ready", "refuse", "abort"));
  drain.OnSignal(SIGTERM);
  clock_.Advance(absl::Minutes(10));
  EXPECT_THAT(done_, ElementsAre("not ready", "refuse", "abort", "end"));
}

// As an orchestrator does, whose hook asks for a drain before it sends SIGTERM.
TEST_F(DrainTest, TheFirstSignalAfterAnOperatorsDrainLeavesItsTime) {
  Drain drain = MakeDrain(absl::Minutes(5));
  drain.Begin("holdfastctl");
  drain.Begin("holdfastctl");
  drain.OnSignal(SIGTERM);
  EXPECT_THAT(done_, ElementsAre("not ready"));
  EXPECT_EQ(drain.phase(), DrainPhase::kDraining);
  drain.OnSignal(SIGTERM);
  EXPECT_EQ(drain.phase(), DrainPhase::kAborting);
}

}  // namespace
}  // namespace holdfast
