// The supervision loop, and the fake clock that stands for it elsewhere.
#include "frontend/event_loop.h"

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "frontend/fake_clock.h"

namespace holdfast {
namespace {

TEST(EventLoop, RunsWorkPostedBeforeAndDuringInOrder) {
  EventLoop loop;
  std::string order;
  loop.Post([&] {
    order += 'a';
    loop.Post([&] {
      order += 'c';
      loop.Stop();
    });
  });
  loop.Post([&] { order += 'b'; });
  loop.Run();
  EXPECT_EQ(order, "abc");
}

TEST(EventLoop, KeepsEachThreadsOrder) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 1000;
  EventLoop loop;
  std::vector<int> last(kThreads, -1);
  int left = kThreads * kPosts;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop.Post([&, t, i] {
          EXPECT_EQ(last[t], i - 1);
          last[t] = i;
          if (--left == 0) loop.Stop();
        });
      }
    });
  }
  loop.Run();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(left, 0);
}

TEST(EventLoop, RunsAgainAfterStop) {
  EventLoop loop;
  int runs = 0;
  loop.Post([&] {
    ++runs;
    loop.Stop();
    loop.Post([&] {
      ++runs;
      loop.Stop();
    });
  });
  loop.Run();
  loop.Run();
  EXPECT_EQ(runs, 2);
}

TEST(EventLoop, TimersRunInOrderAndNeverEarly) {
  EventLoop loop;
  std::string order;
  absl::Time start = loop.Now();
  loop.RunAfter(absl::Milliseconds(20), [&] {
    EXPECT_GE(loop.Now() - start, absl::Milliseconds(20));
    order += 'c';
    loop.Stop();
  });
  loop.RunAfter(absl::Microseconds(1500), [&] {
    EXPECT_GE(loop.Now() - start, absl::Microseconds(1500));
    order += 'b';
  });
  loop.RunAfter(absl::Seconds(-1), [&] { order += 'a'; });
  EXPECT_EQ(order, "");  // Never from within the call.
  loop.Run();
  EXPECT_EQ(order, "abc");
}

TEST(EventLoop, TimerOfZeroThatRearmsItselfStarvesNobody) {
  EventLoop loop;
  int rounds = 0;
  bool other = false;
  std::function<void()> again = [&] {
    ++rounds;
    if (other) return loop.Stop();
    loop.RunAfter(absl::ZeroDuration(), again);
  };
  again();
  loop.RunAfter(absl::Milliseconds(5), [&] { other = true; });
  loop.Run();
  EXPECT_GT(rounds, 1);
}

TEST(EventLoop, CancelledTimersDoNotRun) {
  EventLoop loop;
  Clock::TimerId soon = loop.RunAfter(absl::Milliseconds(2), [] { FAIL(); });
  Clock::TimerId at_once = loop.RunAfter(absl::ZeroDuration(), [] { FAIL(); });
  loop.Cancel(soon);
  loop.Cancel(at_once);
  loop.Cancel(soon);
  loop.Cancel(0);
  Clock::TimerId self = 0;
  self = loop.RunAfter(absl::Milliseconds(10), [&] {
    loop.Cancel(self);
    loop.Stop();
  });
  EXPECT_NE(self, 0u);
  loop.Run();
}

TEST(EventLoop, FarTimersAreLegal) {
  EventLoop loop;
  loop.RunAfter(absl::InfiniteDuration(), [] { FAIL(); });
  loop.RunAfter(absl::Hours(24 * 365 * 1000), [] { FAIL(); });
  loop.RunAfter(absl::Milliseconds(1), [&] { loop.Stop(); });
  loop.Run();
}

TEST(EventLoop, DeliversSignals) {
  EventLoop loop;
  int seen = 0;
  loop.OnSignal(SIGUSR1, [&] {
    ++seen;
    loop.Stop();
  });
  loop.Post([] { raise(SIGUSR1); });
  loop.Run();
  EXPECT_EQ(seen, 1);
}

TEST(EventLoop, BlockingWorkRunsElsewhereAndPostsBack) {
  EventLoop loop;
  std::thread::id loop_thread = std::this_thread::get_id();
  std::thread::id work_thread;
  loop.RunBlocking([&] {
    work_thread = std::this_thread::get_id();
    loop.Post([&] { loop.Stop(); });
  });
  loop.Run();
  EXPECT_NE(work_thread, std::thread::id());
  EXPECT_NE(work_thread, loop_thread);
}

TEST(EventLoop, DestructionFreesWhatDidNotRun) {
  auto held = std::make_shared<int>(0);
  absl::Notification started, release;
  std::thread releaser;
  {
    EventLoop loop;
    loop.RunAfter(absl::Hours(1), [held] { FAIL(); });
    loop.OnSignal(SIGUSR2, [held] {});
    loop.RunBlocking([&, held] {
      started.Notify();
      release.WaitForNotification();
      loop.Post([held] { FAIL(); });  // The loop ends meanwhile.
    });
    // More than libuv's pool has threads: some are never started.
    for (int i = 0; i < 100; ++i) loop.RunBlocking([&, held] { release.WaitForNotification(); });
    loop.Post([&] { loop.Stop(); });
    loop.Run();
    loop.Post([held] { FAIL(); });
    loop.RunBlocking([held] { FAIL(); });
    started.WaitForNotification();
    releaser = std::thread([&] { release.Notify(); });
  }
  releaser.join();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(EventLoop, DestructionWithoutRun) {
  EventLoop loop;
  loop.Post([] { FAIL(); });
  loop.Stop();
}

TEST(FakeClock, RunsDueTimersInOrderAtTheirTimes) {
  FakeClock clock;
  absl::Time start = clock.Now();
  std::string order;
  clock.RunAfter(absl::Seconds(2), [&] {
    order += 'b';
    EXPECT_EQ(clock.Now() - start, absl::Seconds(2));
    clock.RunAfter(absl::Seconds(1), [&] { order += 'd'; });
    clock.RunAfter(absl::ZeroDuration(), [&] { order += 'c'; });
  });
  clock.RunAfter(absl::Seconds(1), [&] { order += 'a'; });
  clock.Cancel(clock.RunAfter(absl::Seconds(1), [] { FAIL(); }));
  clock.RunAfter(absl::Seconds(9), [&] { order += 'e'; });
  EXPECT_EQ(clock.UntilNext(), absl::Seconds(1));
  clock.Advance(absl::Seconds(3));
  EXPECT_EQ(order, "abcd");
  EXPECT_EQ(clock.Now() - start, absl::Seconds(3));
  EXPECT_EQ(clock.pending(), 1u);
  clock.Advance(clock.UntilNext());
  EXPECT_EQ(order, "abcde");
  EXPECT_EQ(clock.UntilNext(), absl::InfiniteDuration());
}

}  // namespace
}  // namespace holdfast
