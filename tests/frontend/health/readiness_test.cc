#include "frontend/health/readiness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "frontend/fake_clock.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ReadinessTest, IsNotReadyUntilToldSo) {
  Readiness readiness;
  EXPECT_EQ(readiness.Get().state, ReadyState::kStarting);
  EXPECT_FALSE(readiness.Get().is_ready());
  EXPECT_THAT(readiness.Get().reason, HasSubstr("no worker"));
  readiness.SetReady();
  EXPECT_TRUE(readiness.Get().is_ready());
  EXPECT_EQ(readiness.Get().reason, "");
  readiness.SetNotReady("the binary is gone");
  EXPECT_EQ(readiness.Get().state, ReadyState::kNotReady);
  EXPECT_EQ(readiness.Get().reason, "the binary is gone");
}

TEST(ReadinessTest, DrainingIsForGood) {
  Readiness readiness;
  readiness.SetDraining();
  readiness.SetReady();
  readiness.SetNotReady("no worker");
  EXPECT_EQ(readiness.Get().state, ReadyState::kDraining);
  EXPECT_THAT(readiness.Get().reason, HasSubstr("draining"));
}

TEST(ReadinessTest, WhoStandsStillIsNotReadyButStaysWhatItWas) {
  FakeClock clock;
  Liveness liveness(&clock);
  Readiness readiness(&liveness);
  readiness.SetReady();
  liveness.Start([](absl::AnyInvocable<void()> /*work*/) {});
  EXPECT_TRUE(readiness.Get().is_ready());
  clock.Advance(absl::Seconds(20));
  EXPECT_FALSE(readiness.Get().is_ready());
  EXPECT_TRUE(readiness.Get().is_stuck);
  EXPECT_EQ(readiness.Get().reason, "stuck: the queue's thread has stood still for 20s");
  EXPECT_EQ(readiness.Get().state, ReadyState::kReady);
  readiness.SetDraining();
  EXPECT_EQ(readiness.Get().state, ReadyState::kDraining);
}

TEST(ReadinessTest, ObserversHearOfNowAndOfEachChange) {
  Readiness readiness;
  std::vector<std::string> heard;
  readiness.Observe([&](const Readiness::Snapshot& now) {
    heard.emplace_back(std::string(ReadyStateName(now.state)) + ":" + now.reason);
  });
  readiness.SetReady();
  readiness.SetReady();
  readiness.SetNotReady("a");
  readiness.SetNotReady("a");
  readiness.SetNotReady("b");
  readiness.SetReady();
  ASSERT_EQ(heard.size(), 5u);
  EXPECT_THAT(heard[0], HasSubstr("starting:"));
  heard.erase(heard.begin());
  EXPECT_THAT(heard, ElementsAre("ready:", "not_ready:a", "not_ready:b", "ready:"));
}

}  // namespace
}  // namespace holdfast
