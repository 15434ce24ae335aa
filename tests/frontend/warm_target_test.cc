#include "frontend/warm_target.h"

#include <gtest/gtest.h>

#include <climits>

namespace holdfast {
namespace {

WarmBounds Wide() {
  WarmBounds bounds;
  bounds.warm = 2;
  bounds.max = 100;
  bounds.in_memory = INT_MAX;
  return bounds;
}

TEST(WarmTargetTest, FollowsTheDemandWhileAWorkerStarts) {
  EXPECT_EQ(WarmTarget({0, absl::Seconds(1)}, Wide()), 2);
  EXPECT_EQ(WarmTarget({100, absl::Milliseconds(5)}, Wide()), 2) << "they start fast enough";
  EXPECT_EQ(WarmTarget({4, absl::Seconds(1)}, Wide()), 4 + 2 * 2);
  EXPECT_EQ(WarmTarget({4, absl::Seconds(4)}, Wide()), 16 + 2 * 4);
}

TEST(WarmTargetTest, StaysWithinItsBounds) {
  const WarmDemand huge = {1e30, absl::Seconds(20)};
  WarmBounds bounds = Wide();
  EXPECT_EQ(WarmTarget(huge, bounds), 100);
  bounds.leased = 95;
  EXPECT_EQ(WarmTarget(huge, bounds), 5);
  bounds.leased = 99;
  EXPECT_EQ(WarmTarget({0, absl::Seconds(1)}, bounds), 1);
  bounds.leased = 100;
  EXPECT_EQ(WarmTarget(huge, bounds), 0);
  bounds.leased = 0;
  bounds.in_memory = 7;
  EXPECT_EQ(WarmTarget(huge, bounds), 7);
  bounds.in_memory = 0;
  EXPECT_EQ(WarmTarget(huge, bounds), 2) << "those are not for the machine to refuse";
}

TEST(WarmTargetTest, WhatIsLeftOfAnOldDemandIsNothing) {
  WarmBounds bounds = Wide();
  bounds.warm = 0;
  EXPECT_EQ(WarmTarget({0.01, absl::Seconds(1)}, bounds), 0);
}

TEST(RoomForTest, HalfOfWhatIsLeftAndThoseThatAreThere) {
  EXPECT_EQ(RoomFor(3, 1000, 100), 3 + 5);
  EXPECT_EQ(RoomFor(3, 150, 100), 3);
  EXPECT_EQ(RoomFor(0, INT64_MAX, 1), INT_MAX);
  EXPECT_EQ(RoomFor(0, 0, 0), INT_MAX) << "no size is known";
}

TEST(DecayingRateTest, ConvergesAndForgets) {
  absl::Time now = absl::FromUnixSeconds(1'000'000'000);
  DecayingRate rate;
  EXPECT_EQ(rate.PerSecond(now), 0);
  for (int i = 0; i < 1000; ++i) rate.Count(now += absl::Milliseconds(100));
  EXPECT_NEAR(rate.PerSecond(now), 10, 0.1);
  now += DecayingRate::kMemory;
  EXPECT_NEAR(rate.PerSecond(now), 10 / 2.718, 0.1);
  EXPECT_LT(rate.PerSecond(now + absl::Hours(1)), 1e-9);
}

TEST(AvailableMemoryTest, IsMoreThanNothingAndLessThanUnknown) {
  EXPECT_GT(AvailableMemory(), 0);
  EXPECT_LT(AvailableMemory(), INT64_MAX);
}

}  // namespace
}  // namespace holdfast
