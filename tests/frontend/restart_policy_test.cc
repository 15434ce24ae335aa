#include "frontend/restart_policy.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <vector>

namespace holdfast {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000000);

absl::Time At(absl::Duration since_start) { return kStart + since_start; }

TEST(RestartPolicyTest, WithoutFailuresSpawnsNow) {
  const RestartDecision decision = DecideRestart({}, {}, false, kStart);
  EXPECT_TRUE(decision.ready);
  EXPECT_EQ(decision.spawn_at, kStart);
}

TEST(RestartPolicyTest, BacksOffExponentiallyUpToTheMaximum) {
  const std::vector<int> milliseconds = {100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
  std::vector<absl::Time> failures;
  for (size_t n = 1; n <= milliseconds.size(); ++n) {
    failures.push_back(At(absl::Seconds(n)));
    const RestartDecision decision = DecideRestart({}, failures, false, failures.back());
    EXPECT_EQ(decision.spawn_at - failures.back(), absl::Milliseconds(milliseconds[n - 1])) << n;
    EXPECT_EQ(decision.ready, n < 5) << n;
  }
  failures.resize(100000, failures.back());
  EXPECT_EQ(DecideRestart({}, failures, false, kStart).spawn_at,
            failures.back() + absl::Seconds(5));
}

TEST(RestartPolicyTest, NeverSpawnsInThePast) {
  const absl::Time later = At(absl::Hours(1));
  EXPECT_EQ(DecideRestart({}, {kStart}, false, later).spawn_at, later);
  EXPECT_EQ(DecideRestart({}, {kStart}, true, later).spawn_at, later);
}

TEST(RestartPolicyTest, PermanentFailureIsNotReadyAndOnlyProbed) {
  const RestartDecision decision = DecideRestart({}, {kStart}, true, kStart);
  EXPECT_FALSE(decision.ready);
  EXPECT_EQ(decision.spawn_at, At(absl::Seconds(5)));
}

TEST(RestartPolicyTest, HonoursItsOptions) {
  RestartPolicyOptions options;
  options.burst = 1;
  options.initial_backoff = absl::Seconds(3);
  options.max_backoff = absl::Seconds(4);
  EXPECT_FALSE(DecideRestart(options, {kStart}, false, kStart).ready);
  EXPECT_EQ(DecideRestart(options, {kStart}, false, kStart).spawn_at, At(absl::Seconds(3)));
  EXPECT_EQ(DecideRestart(options, {kStart, kStart}, false, kStart).spawn_at, At(absl::Seconds(4)));
  options.max_backoff = absl::Seconds(2);  // Below the initial one: it still holds.
  EXPECT_EQ(DecideRestart(options, {kStart}, false, kStart).spawn_at, At(absl::Seconds(2)));
}

TEST(RestartPolicyTest, PermanentFailures) {
  EXPECT_TRUE(IsPermanentStartFailure(126, 0));
  EXPECT_TRUE(IsPermanentStartFailure(127, 0));
  EXPECT_FALSE(IsPermanentStartFailure(0, 0));
  EXPECT_FALSE(IsPermanentStartFailure(1, 0));
  EXPECT_FALSE(IsPermanentStartFailure(0, SIGKILL));
  EXPECT_FALSE(IsPermanentStartFailure(127, SIGSEGV));
}

TEST(StartFailureLogTest, ASuccessClearsIt) {
  StartFailureLog log({});
  log.Failed(kStart, true);
  EXPECT_FALSE(log.Decide(kStart).ready);
  log.Succeeded();
  EXPECT_TRUE(log.Decide(kStart).ready);
  EXPECT_EQ(log.Decide(kStart).spawn_at, kStart);
  log.Failed(kStart, false);
  EXPECT_TRUE(log.Decide(kStart).ready);
  EXPECT_EQ(log.Decide(kStart).spawn_at, At(absl::Milliseconds(100)));
}

TEST(StartFailureLogTest, WorkersThatFailTogetherCountOnce) {
  StartFailureLog log({});
  for (int i = 0; i < 20; ++i) log.Failed(At(absl::Milliseconds(i)), false);
  EXPECT_TRUE(log.Decide(kStart).ready);
  EXPECT_EQ(log.Decide(kStart).spawn_at, At(absl::Milliseconds(119)));
}

TEST(StartFailureLogTest, OneAfterTheOtherTheyUseUpTheBurst) {
  StartFailureLog log({});
  absl::Time now = kStart;
  for (int i = 1; i <= 1000; ++i) {
    log.Failed(now, false);
    EXPECT_EQ(log.Decide(now).ready, i < 5) << i;
    now = log.Decide(now).spawn_at;
  }
  EXPECT_EQ(log.Decide(kStart).spawn_at, now) << "the last failure counts, however many there were";
}

TEST(StartFailureLogTest, APermanentFailureAmongOthersCounts) {
  StartFailureLog log({});
  log.Failed(kStart, true);
  log.Failed(At(absl::Milliseconds(1)), false);
  EXPECT_FALSE(log.Decide(kStart).ready);
  log.Failed(At(absl::Seconds(6)), false);  // The probe failed otherwise: somebody is mending.
  EXPECT_TRUE(log.Decide(kStart).ready);
}

TEST(StartFailureLogTest, LargeBurst) {
  RestartPolicyOptions options;
  options.burst = 200;
  StartFailureLog log(options);
  for (int i = 1; i <= 200; ++i) {
    log.Failed(At(absl::Minutes(i)), false);
    EXPECT_EQ(log.Decide(kStart).ready, i < 200) << i;
  }
}

}  // namespace
}  // namespace holdfast
