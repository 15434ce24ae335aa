#include "frontend/process_stat.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace holdfast {
namespace {

TEST(ProcessStat, ReadsTheKernelsLine) {
  const auto stat = ParseProcessStat(
      "42 (a) b (c) S 7 40 40 0 -1 4194560 1 2 3 4 100 50 25 25 20 0 3 0 123 4096 10 18446744073 "
      "1 1 0 0 0 0\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->pid, 42);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_TRUE(stat->alive());
  EXPECT_FALSE(stat->stopped());
  EXPECT_EQ(stat->parent, 7);
  EXPECT_EQ(stat->group, 40);
  EXPECT_EQ(stat->threads, 3);
  EXPECT_EQ(stat->rss_bytes, 10 * sysconf(_SC_PAGESIZE));
  EXPECT_EQ(stat->virtual_bytes, 4096);
  const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  EXPECT_DOUBLE_EQ(stat->start_seconds, 123 / ticks_per_second);
  EXPECT_DOUBLE_EQ(stat->own_cpu_seconds, 150 / ticks_per_second);
  EXPECT_DOUBLE_EQ(stat->cpu_seconds, 200 / ticks_per_second);
}

TEST(ProcessStat, RefusesAnythingElse) {
  for (const char* text : {"", "42", "42 (a)", "42 (a) S 1 2 3", "x (a) S", ") "}) {
    EXPECT_FALSE(ParseProcessStat(text)) << text;
  }
  EXPECT_FALSE(ReadProcessStat(0));
}

}  // namespace
}  // namespace holdfast
