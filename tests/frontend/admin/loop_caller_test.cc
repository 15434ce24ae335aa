#include "frontend/admin/loop_caller.h"

#include <gtest/gtest.h>

#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "frontend/event_loop.h"

namespace holdfast {
namespace {

TEST(LoopCallerTest, RunsOnTheLoopsThread) {
  EventLoop loop;
  LoopCaller caller([&loop](absl::AnyInvocable<void()> work) { loop.Post(std::move(work)); },
                    absl::Minutes(1));
  const std::thread::id loop_thread = std::this_thread::get_id();
  std::thread::id seen;
  bool ran = false;
  std::thread client([&] {
    ran = caller.Call([&seen] { seen = std::this_thread::get_id(); });
    loop.Post([&loop] { loop.Stop(); });
  });
  loop.Run();
  client.join();
  EXPECT_TRUE(ran);
  EXPECT_EQ(seen, loop_thread);
}

// Work that is only kept, as by a loop that hangs or has ended.
class LoopCallerWithoutLoopTest : public testing::Test {
 protected:
  LoopCaller::Post Keep() {
    return [this](absl::AnyInvocable<void()> work) {
      kept_.push_back(std::move(work));
      is_kept_.Notify();
    };
  }

  std::vector<absl::AnyInvocable<void()>> kept_;
  absl::Notification is_kept_;
};

TEST_F(LoopCallerWithoutLoopTest, GivesUpInTimeAndForGood) {
  LoopCaller caller(Keep(), absl::Milliseconds(10));
  bool has_run = false;
  EXPECT_FALSE(caller.Call([&has_run] { has_run = true; }));
  kept_[0]();
  EXPECT_FALSE(has_run);
}

TEST_F(LoopCallerWithoutLoopTest, WhoWaitsIsNotWaitedFor) {
  LoopCaller caller(Keep(), absl::InfiniteDuration());
  bool has_run = false;
  bool result = true;
  std::thread client([&] { result = caller.Call([&has_run] { has_run = true; }); });
  is_kept_.WaitForNotification();
  caller.Close();
  client.join();
  EXPECT_FALSE(result);
  kept_[0]();
  EXPECT_FALSE(has_run);
}

TEST_F(LoopCallerWithoutLoopTest, FailsAtOnceWhenClosed) {
  LoopCaller caller(Keep(), absl::InfiniteDuration());
  caller.Close();
  EXPECT_FALSE(caller.Call([] {}));
}

TEST_F(LoopCallerWithoutLoopTest, WaitsForWorkThatHasBegun) {
  LoopCaller caller(Keep(), absl::Milliseconds(200));
  absl::Notification has_begun;
  absl::Notification may_end;
  bool result = false;
  std::thread client([&] {
    result = caller.Call([&] {
      has_begun.Notify();
      may_end.WaitForNotification();
    });
  });
  is_kept_.WaitForNotification();
  std::thread loop([&] { kept_[0](); });
  has_begun.WaitForNotification();
  caller.Close();
  may_end.Notify();
  loop.join();
  client.join();
  EXPECT_TRUE(result);
}

}  // namespace
}  // namespace holdfast
