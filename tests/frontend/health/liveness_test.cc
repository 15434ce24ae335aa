#include "frontend/health/liveness.h"

#include <gtest/gtest.h>

#include <functional>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "frontend/fake_clock.h"

namespace holdfast {
namespace {

class LivenessTest : public testing::Test {
 protected:
  LivenessTest() {
    liveness_.Start([this](absl::AnyInvocable<void()> work) {
      ++asked_;
      if (does_queue_turn_) {
        work();
      } else {
        waiting_.push_back(std::move(work));
      }
    });
  }

  FakeClock clock_;
  Liveness liveness_{&clock_};
  int asked_ = 0;
  bool does_queue_turn_ = true;
  std::vector<absl::AnyInvocable<void()>> waiting_;
};

TEST_F(LivenessTest, NothingStandsStillAsLongAsBothTurn) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(liveness_.Complaint(), "");
    clock_.Advance(Liveness::kPeriod);
  }
  EXPECT_EQ(asked_, 101);
}

TEST_F(LivenessTest, QueueThatStandsStillIsToldOfAndAskedOnce) {
  does_queue_turn_ = false;
  clock_.Advance(Liveness::kTooLong);
  EXPECT_EQ(liveness_.Complaint(), "");
  clock_.Advance(absl::Seconds(5));
  EXPECT_EQ(liveness_.Complaint(), "the queue's thread has stood still for 15s");
  EXPECT_EQ(waiting_.size(), 1u);
  // It turns again.
  does_queue_turn_ = true;
  waiting_.front()();
  EXPECT_EQ(liveness_.Complaint(), "");
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(liveness_.Complaint(), "");
}

TEST(LivenessWithoutTimersTest, SupervisionThatStandsStillIsToldOf) {
  // A clock whose timers never fire is a loop that does not turn.
  class StoppedLoop : public Clock {
   public:
    absl::Time Now() override { return now; }
    TimerId RunAfter(absl::Duration delay, absl::AnyInvocable<void()> callback) override {
      return 1;
    }
    void Cancel(TimerId timer) override {}
    absl::Time now = absl::UnixEpoch();
  };
  StoppedLoop clock;
  Liveness liveness(&clock);
  liveness.Start([](absl::AnyInvocable<void()> work) { work(); });
  clock.now += Liveness::kTooLong;
  EXPECT_EQ(liveness.Complaint(), "");
  clock.now += absl::Milliseconds(1500);
  EXPECT_EQ(liveness.Complaint(), "the supervision thread has stood still for 11s");
}

}  // namespace
}  // namespace holdfast
