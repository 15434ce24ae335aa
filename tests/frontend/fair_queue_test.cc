#include "frontend/fair_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace holdfast {
namespace {

using testing::ElementsAre;

class FairQueueTest : public testing::Test {
 protected:
  uint64_t Push(uint64_t client, std::string item) {
    queue_.Push(client, ++last_ticket_, std::move(item));
    return last_ticket_;
  }
  std::vector<std::string> PopAll() {
    std::vector<std::string> items;
    while (!queue_.empty()) items.push_back(queue_.Pop());
    return items;
  }

  FairQueue<std::string> queue_;
  uint64_t last_ticket_ = 0;
};

TEST_F(FairQueueTest, OneClientIsServedInOrder) {
  for (const char* item : {"a1", "a2", "a3"}) Push(1, item);
  EXPECT_EQ(queue_.size(), 3u);
  EXPECT_THAT(PopAll(), ElementsAre("a1", "a2", "a3"));
}

TEST_F(FairQueueTest, ClientsTakeTurns) {
  for (const char* item : {"a1", "a2", "a3", "a4"}) Push(1, item);
  Push(2, "b1");
  Push(3, "c1");
  Push(2, "b2");
  EXPECT_THAT(PopAll(), ElementsAre("a1", "b1", "c1", "a2", "b2", "a3", "a4"));
}

TEST_F(FairQueueTest, WhoAsksForOneAtATimeGetsNoMoreThanWhoAsksForMany) {
  for (int i = 0; i < 4; ++i) Push(1, "many");
  Push(2, "single");
  std::vector<std::string> served;
  for (int i = 0; i < 6; ++i) {
    served.push_back(queue_.Pop());
    if (served.back() == "single") Push(2, "single");
  }
  EXPECT_THAT(served, ElementsAre("many", "single", "many", "single", "many", "single"));
}

TEST_F(FairQueueTest, ItemsLeaveOutOfTurn) {
  const uint64_t first = Push(1, "a1");
  Push(1, "a2");
  const uint64_t only = Push(2, "b1");
  Push(3, "c1");
  EXPECT_EQ(queue_.Remove(1, first), "a1");
  EXPECT_EQ(queue_.Remove(1, first), absl::nullopt);
  EXPECT_EQ(queue_.Remove(2, only), "b1");
  EXPECT_EQ(queue_.Remove(2, only), absl::nullopt);
  EXPECT_EQ(queue_.size(), 2u);
  EXPECT_THAT(PopAll(), ElementsAre("a2", "c1"));
}

TEST(FairQueueOfMoveOnlyTest, HoldsItems) {
  FairQueue<std::unique_ptr<int>> queue;
  queue.Push(1, 1, std::make_unique<int>(7));
  EXPECT_EQ(*queue.Pop(), 7);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace holdfast
