#include "frontend/session_id.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace holdfast {
namespace {

TEST(SessionIdTest, PositiveAndUniqueFromAllThreads) {
  constexpr int kIdsPerThread = 20000;
  std::vector<std::vector<int64_t>> ids(4);
  std::vector<std::thread> threads;
  for (auto& own : ids) {
    threads.emplace_back([&own] {
      for (int i = 0; i < kIdsPerThread; ++i) own.push_back(RandomSessionId());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<int64_t> unique;
  for (const auto& own : ids) unique.insert(own.begin(), own.end());
  EXPECT_EQ(unique.size(), ids.size() * kIdsPerThread);
  EXPECT_GT(*unique.begin(), 0);
}

TEST(SessionIdTest, AllBitsAreRandom) {
  constexpr int kIds = 10000;
  std::vector<int> ones(64);
  for (int i = 0; i < kIds; ++i) {
    const int64_t id = RandomSessionId();
    for (int bit = 0; bit < 64; ++bit) ones[bit] += id >> bit & 1;
  }
  // Ten standard deviations: never by chance.
  for (int bit = 0; bit < 63; ++bit) EXPECT_NEAR(ones[bit], kIds / 2.0, 500) << bit;
  EXPECT_EQ(ones[63], 0);
}

}  // namespace
}  // namespace holdfast
