#include "frontend/logging/repeat_limiter.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace holdfast {
namespace {

constexpr absl::Time kStart = absl::UnixEpoch();

class RepeatLimiterTest : public testing::Test {
 protected:
  absl::optional<int64_t> Admit(absl::string_view message = "a",
                                Subsystem subsystem = Subsystem::kPool,
                                LogLevel level = LogLevel::kInfo) {
    return limiter_.Admit(level, subsystem, message, now_);
  }
  // How many of `count` lines are let through, and how many these say were suppressed.
  std::pair<int, int64_t> AdmitMany(int count, absl::Duration period) {
    std::pair<int, int64_t> result;
    for (int i = 0; i < count; ++i, now_ += period) {
      const absl::optional<int64_t> admitted = Admit();
      if (!admitted.has_value()) continue;
      ++result.first;
      result.second += *admitted;
    }
    return result;
  }

  absl::Time now_ = kStart;
  RepeatLimiter limiter_{{/*burst=*/5, /*per_second=*/2}};
};

TEST_F(RepeatLimiterTest, ABurstIsLetThroughAndNoMore) {
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Admit(), 0) << i;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Admit(), absl::nullopt) << i;
}

TEST_F(RepeatLimiterTest, ThenSomeEachSecondWhichSayHowManyWereNot) {
  AdmitMany(8, absl::ZeroDuration());
  now_ += absl::Milliseconds(499);
  EXPECT_EQ(Admit(), absl::nullopt);
  now_ += absl::Milliseconds(1);
  EXPECT_EQ(Admit(), 4);
  EXPECT_EQ(Admit(), absl::nullopt);
  now_ += absl::Milliseconds(500);
  EXPECT_EQ(Admit(), 1);
  // Nothing is lost: at 100 a second for 100 s, 2 a second are let through and tell of the rest.
  now_ += absl::Milliseconds(500);
  const auto [admitted, suppressed] = AdmitMany(10000, absl::Milliseconds(10));
  EXPECT_EQ(admitted, 200);
  int64_t left = 0;
  for (const RepeatLimiter::Suppressed& kind : limiter_.TakeSuppressed()) left += kind.lines;
  EXPECT_EQ(admitted + suppressed + left, 10000);
}

TEST_F(RepeatLimiterTest, WhatIsRareIsNeverSuppressed) {
  EXPECT_EQ(AdmitMany(1000, absl::Milliseconds(500)).first, 1000);
}

TEST_F(RepeatLimiterTest, APauseAllowsAnotherBurstButNotALargerOne) {
  AdmitMany(5, absl::ZeroDuration());
  now_ += absl::Hours(1);
  EXPECT_EQ(AdmitMany(100, absl::ZeroDuration()).first, 5);
}

TEST_F(RepeatLimiterTest, OnlyLinesOfOneSubsystemAndMessageAreAlike) {
  AdmitMany(6, absl::ZeroDuration());
  EXPECT_EQ(Admit("a"), absl::nullopt);
  EXPECT_EQ(Admit("b"), 0);
  EXPECT_EQ(Admit("a", Subsystem::kSession), 0);
  const std::string same_text_elsewhere = "a";
  EXPECT_EQ(Admit(same_text_elsewhere), absl::nullopt);
}

TEST_F(RepeatLimiterTest, AClockThatIsSetBackNeitherSuppressesNorAllowsMore) {
  AdmitMany(6, absl::ZeroDuration());
  now_ -= absl::Hours(1);
  EXPECT_EQ(Admit(), absl::nullopt);
  now_ += absl::Milliseconds(500);
  EXPECT_EQ(Admit(), 2);
}

TEST_F(RepeatLimiterTest, WhatStaysSuppressedIsToldOnce) {
  AdmitMany(7, absl::ZeroDuration());
  for (int i = 0; i < 6; ++i) Admit("b", Subsystem::kSession, LogLevel::kWarning);
  Admit("c");
  std::vector<RepeatLimiter::Suppressed> told = limiter_.TakeSuppressed();
  ASSERT_EQ(told.size(), 2);
  std::sort(told.begin(), told.end(),
            [](const auto& a, const auto& b) { return a.message < b.message; });
  EXPECT_EQ(told[0].message, "a");
  EXPECT_EQ(told[0].lines, 2);
  EXPECT_EQ(told[0].level, LogLevel::kInfo);
  EXPECT_EQ(told[1].message, "b");
  EXPECT_EQ(told[1].lines, 1);
  EXPECT_EQ(told[1].level, LogLevel::kWarning);
  EXPECT_EQ(told[1].subsystem, Subsystem::kSession);
  EXPECT_TRUE(limiter_.TakeSuppressed().empty());
  now_ += absl::Seconds(1);
  EXPECT_EQ(Admit(), 0) << "these were told of already";
}

}  // namespace
}  // namespace holdfast
