#include "frontend/checkpoint.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace holdfast {
namespace {

HeldSnapshot SnapshotOf(size_t bytes) {
  HeldSnapshot snapshot;
  snapshot.set_snapshot(std::string(bytes, 'x'));
  return snapshot;
}

RebuildCosts Head(absl::Duration head) {
  RebuildCosts costs;
  costs.head = head;
  return costs;
}

TEST(CheckpointStoreTest, CountsWhatIsHeld) {
  CheckpointStore store(1000);
  {
    const auto checkpoint = store.Add(3, Head(absl::Seconds(1)), SnapshotOf(100));
    ASSERT_NE(checkpoint->Get(), nullptr);
    EXPECT_EQ(checkpoint->Get()->snapshot().size(), 100u);
    EXPECT_EQ(checkpoint->entries(), 3);
    EXPECT_EQ(store.GetStats().count, 1);
    EXPECT_GE(store.GetStats().bytes, 100);
  }
  EXPECT_EQ(store.GetStats().count, 0);
  EXPECT_EQ(store.GetStats().bytes, 0);
  EXPECT_EQ(store.GetStats().dropped, 0);
}

TEST(CheckpointStoreTest, LeastValuableGoesFirst) {
  CheckpointStore store(1000);
  const auto precious = store.Add(1, Head(absl::Seconds(9)), SnapshotOf(400));
  const auto cheap = store.Add(1, Head(absl::Seconds(1)), SnapshotOf(400));
  const auto middle = store.Add(1, Head(absl::Seconds(5)), SnapshotOf(400));
  EXPECT_NE(precious->Get(), nullptr);
  EXPECT_EQ(cheap->Get(), nullptr);
  EXPECT_NE(middle->Get(), nullptr);
  // The new one itself, if it is worth the least.
  const auto poor = store.Add(1, Head(absl::Milliseconds(1)), SnapshotOf(400));
  EXPECT_EQ(poor, nullptr);
  EXPECT_EQ(store.GetStats().count, 2);
  EXPECT_EQ(store.GetStats().dropped, 2);
}

TEST(CheckpointStoreTest, WhatIsLargerThanAllRoomDropsNothingElse) {
  CheckpointStore store(1000);
  const auto held = store.Add(1, Head(absl::Seconds(1)), SnapshotOf(400));
  const auto huge = store.Add(1, Head(absl::Hours(1)), SnapshotOf(2000));
  EXPECT_NE(held->Get(), nullptr);
  EXPECT_EQ(huge, nullptr);
  EXPECT_EQ(store.GetStats().dropped, 1);
}

TEST(CheckpointStoreTest, WhatIsReplacedMakesRoomFirst) {
  CheckpointStore store(1000);
  const auto old = store.Add(1, Head(absl::Seconds(5)), SnapshotOf(400));
  const auto cheap = store.Add(1, Head(absl::Seconds(1)), SnapshotOf(400));
  const auto next = store.Add(2, Head(absl::Seconds(6)), SnapshotOf(400), old.get());
  ASSERT_NE(next, nullptr);
  EXPECT_FALSE(old->is_held());
  EXPECT_TRUE(cheap->is_held()) << "it need not go";
  EXPECT_EQ(store.GetStats().dropped, 0);
  EXPECT_EQ(store.GetStats().count, 2);
  // Not for one that does not fit at all.
  EXPECT_EQ(store.Add(3, Head(absl::Hours(1)), SnapshotOf(2000), next.get()), nullptr);
  EXPECT_TRUE(next->is_held());
}

TEST(CheckpointStoreTest, ReaderKeepsWhatWasDropped) {
  CheckpointStore store(1000);
  const auto checkpoint = store.Add(1, Head(absl::Seconds(1)), SnapshotOf(900));
  const std::shared_ptr<const HeldSnapshot> read = checkpoint->Get();
  const auto better = store.Add(1, Head(absl::Seconds(9)), SnapshotOf(900));
  EXPECT_EQ(checkpoint->Get(), nullptr);
  EXPECT_EQ(read->snapshot().size(), 900u);
}

TEST(PendingCheckpointTest, ThoseWhoWaitAreToldOnce) {
  CheckpointStore store(1000);
  PendingCheckpoint pending;
  int told = 0;
  EXPECT_TRUE(pending.Await([&](const std::shared_ptr<Checkpoint>& taken) {
    EXPECT_NE(taken, nullptr);
    ++told;
  }));
  EXPECT_EQ(pending.result(), nullptr);
  EXPECT_EQ(told, 0);
  pending.Resolve(store.Add(1, Head(absl::Seconds(1)), SnapshotOf(1)));
  EXPECT_EQ(told, 1);
  EXPECT_FALSE(pending.Await([&](const std::shared_ptr<Checkpoint>&) { ++told; }));
  EXPECT_EQ(told, 1);
  EXPECT_NE(pending.result(), nullptr);
}

TEST(IsCheckpointDueTest, WhenATailCostsMoreThanASnapshotAndItsRestore) {
  RebuildCosts costs;
  costs.snapshot = absl::Milliseconds(20);
  costs.restore = absl::Milliseconds(30);
  costs.tail = absl::Milliseconds(49);
  EXPECT_FALSE(IsCheckpointDue(costs, /*is_move_expected=*/true));
  costs.tail = absl::Milliseconds(50);
  EXPECT_TRUE(IsCheckpointDue(costs, /*is_move_expected=*/true));
}

TEST(IsCheckpointDueTest, NeedlessOnesTakeATenthOfTheTime) {
  RebuildCosts costs;
  costs.snapshot = absl::Milliseconds(20);
  costs.restore = absl::Milliseconds(30);
  costs.tail = absl::Milliseconds(199);
  EXPECT_FALSE(IsCheckpointDue(costs, /*is_move_expected=*/false));
  costs.tail = absl::Milliseconds(200);
  EXPECT_TRUE(IsCheckpointDue(costs, /*is_move_expected=*/false));
  costs.restore = absl::Seconds(1);
  EXPECT_FALSE(IsCheckpointDue(costs, /*is_move_expected=*/false));
}

TEST(IsCheckpointDueTest, UnknownCostsAreTakenToBeThoseOfInit) {
  RebuildCosts costs;
  costs.init = absl::Milliseconds(10);
  costs.tail = absl::Milliseconds(99);
  EXPECT_FALSE(IsCheckpointDue(costs, /*is_move_expected=*/false));
  costs.tail = absl::Milliseconds(100);
  EXPECT_TRUE(IsCheckpointDue(costs, /*is_move_expected=*/false));
}

TEST(IsCheckpointDueTest, TheFirstBeforeAMoveTellsWhatTheyCost) {
  RebuildCosts costs;
  costs.init = absl::Seconds(10);  // Much of that may be a compiler that a restore does not need.
  costs.tail = absl::Seconds(11);
  EXPECT_TRUE(IsCheckpointDue(costs, /*is_move_expected=*/true));
  EXPECT_FALSE(IsCheckpointDue(costs, /*is_move_expected=*/false));
  costs.snapshot = absl::Seconds(6);
  EXPECT_FALSE(IsCheckpointDue(costs, /*is_move_expected=*/true)) << "a restore costs as much";
  costs.restore = absl::Seconds(4);
  EXPECT_TRUE(IsCheckpointDue(costs, /*is_move_expected=*/true));
}

TEST(IsCheckpointDueTest, NotForNextToNothing) {
  RebuildCosts costs;
  costs.init = absl::Microseconds(1);
  costs.tail = absl::Microseconds(999);
  EXPECT_FALSE(IsCheckpointDue(costs, /*is_move_expected=*/true));
}

TEST(SnapshotTimeLimitTest, IsWhatARebuildFromTheStartCosts) {
  RebuildCosts costs;
  costs.head = absl::Seconds(20);
  costs.tail = absl::Seconds(10);
  EXPECT_EQ(SnapshotTimeLimit(costs), absl::Seconds(30));
}

TEST(SnapshotTimeLimitTest, LeavesABusyMachineSomeTime) {
  EXPECT_EQ(SnapshotTimeLimit(RebuildCosts()), absl::Seconds(5));
}

}  // namespace
}  // namespace holdfast
