#include "frontend/admin/human_units.h"

#include <gtest/gtest.h>

#include <string>

namespace holdfast {
namespace {

TEST(HumanUnitsTest, Bytes) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1024), "1 KiB");
  EXPECT_EQ(HumanBytes(1536), "1.5 KiB");
  EXPECT_EQ(HumanBytes(9 * 1024 + 1000), "10 KiB");
  EXPECT_EQ(HumanBytes(104 << 10), "104 KiB");
  EXPECT_EQ(HumanBytes((1 << 20) - 1), "1 MiB");
  EXPECT_EQ(HumanBytes(54525952), "52 MiB");
  EXPECT_EQ(HumanBytes(int64_t{4} << 30), "4 GiB");
  EXPECT_EQ(HumanBytes(INT64_MAX), "8 EiB");
}

TEST(HumanUnitsTest, NoSizeIsLong) {
  for (int bits = 0; bits < 63; ++bits) {
    for (const int64_t offset : {-1, 0, 1, 511, 512}) {
      const std::string text = HumanBytes((int64_t{1} << bits) + offset);
      EXPECT_LE(text.size(), 8U) << text;
    }
  }
}

TEST(HumanUnitsTest, Ages) {
  EXPECT_EQ(HumanAge(-absl::Seconds(5)), "0s");
  EXPECT_EQ(HumanAge(absl::Seconds(59)), "59s");
  EXPECT_EQ(HumanAge(absl::Seconds(200)), "3m20s");
  EXPECT_EQ(HumanAge(absl::Minutes(312)), "5h12m");
  EXPECT_EQ(HumanAge(absl::Hours(76)), "3d4h");
  EXPECT_EQ(HumanAge(absl::Hours(24 * 400)), "400d");
}

TEST(HumanUnitsTest, Latencies) {
  EXPECT_EQ(HumanLatency(absl::ZeroDuration()), "0us");
  EXPECT_EQ(HumanLatency(absl::Nanoseconds(87400)), "87us");
  EXPECT_EQ(HumanLatency(absl::Microseconds(999)), "999us");
  EXPECT_EQ(HumanLatency(absl::Nanoseconds(999900)), "1ms");
  EXPECT_EQ(HumanLatency(absl::Microseconds(1234)), "1.2ms");
  EXPECT_EQ(HumanLatency(absl::Milliseconds(12)), "12ms");
  EXPECT_EQ(HumanLatency(absl::Milliseconds(3400)), "3.4s");
  EXPECT_EQ(HumanLatency(absl::Seconds(130)), "2m10s");
}

}  // namespace
}  // namespace holdfast
