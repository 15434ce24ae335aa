#include "frontend/call_gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace holdfast {
namespace {

TEST(CallGateTest, IsClosedForGood) {
  CallGate gate;
  EXPECT_TRUE(gate.Enter());
  gate.Leave();
  gate.CloseAndWait();
  EXPECT_FALSE(gate.Enter());
  gate.CloseAndWait();
}

TEST(CallGateTest, WaitsForThoseInside) {
  for (int round = 0; round < 200; ++round) {
    CallGate gate;
    std::atomic<int> inside{0};
    std::atomic<int> entered{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        while (gate.Enter()) {
          ++inside;
          ++entered;
          --inside;
          gate.Leave();
        }
      });
    }
    while (entered < 10) std::this_thread::yield();
    gate.CloseAndWait();
    EXPECT_EQ(inside, 0);
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace holdfast
