#include "frontend/admin/quantile.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace holdfast {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The expected values are those of histogram_quantile() in Prometheus 2.42.
TEST(QuantileTest, InterpolatesWithinABucket) {
  const std::vector<HistogramBucket> buckets = {{1, 10}, {3, 30}, {10, 40}, {kInfinity, 40}};
  EXPECT_DOUBLE_EQ(*Quantile(0.5, buckets), 2);      // The 20th: in the middle of 1 to 3.
  EXPECT_DOUBLE_EQ(*Quantile(0.25, buckets), 1);     // The 10th: at a bound.
  EXPECT_DOUBLE_EQ(*Quantile(0.125, buckets), 0.5);  // The first bucket begins at 0.
  EXPECT_DOUBLE_EQ(*Quantile(0.875, buckets), 6.5);
  EXPECT_DOUBLE_EQ(*Quantile(1, buckets), 10);
}

TEST(QuantileTest, PassesOverEmptyBuckets) {
  const std::vector<HistogramBucket> buckets = {{1, 0}, {3, 0}, {10, 4}, {30, 4}, {kInfinity, 4}};
  EXPECT_DOUBLE_EQ(*Quantile(0.5, buckets), 6.5);
  EXPECT_DOUBLE_EQ(*Quantile(1, buckets), 10);
  EXPECT_DOUBLE_EQ(*Quantile(0, buckets), 0);
}

TEST(QuantileTest, BeyondTheLastBoundIsTheLastBound) {
  const std::vector<HistogramBucket> buckets = {{1, 1}, {3, 2}, {kInfinity, 10}};
  EXPECT_DOUBLE_EQ(*Quantile(0.99, buckets), 3);
  EXPECT_DOUBLE_EQ(*Quantile(0.2, buckets), 3);
  EXPECT_DOUBLE_EQ(*Quantile(0.15, buckets), 2);
}

TEST(QuantileTest, NothingWithoutObservationsOrBounds) {
  EXPECT_FALSE(Quantile(0.5, {}).has_value());
  EXPECT_FALSE(Quantile(0.5, {{kInfinity, 5}}).has_value());
  EXPECT_FALSE(Quantile(0.5, {{1, 0}, {kInfinity, 0}}).has_value());
}

}  // namespace
}  // namespace holdfast
