#include "frontend/holdfastctl/metrics_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"

namespace holdfast {
namespace {

using testing::ElementsAre;

// As prometheus-cpp writes it.
constexpr char kText[] = R"(# HELP up Whether it is.
# TYPE up gauge
up 1
# TYPE calls_total counter
calls_total{method="Step",code="OK"} 1234
calls_total{method="Step",code="ABORTED"} 0
calls_total{method="a\"b\\c\nd"} 2.5 1395066363000
# TYPE took_seconds histogram
took_seconds_count{method="Step"} 40
took_seconds_sum{method="Step"} 0.5
took_seconds_bucket{method="Step",le="0.001"} 10
took_seconds_bucket{method="Step",le="0.003"} 30
took_seconds_bucket{method="Step",le="0.01"} 40
took_seconds_bucket{method="Step",le="+Inf"} 40
took_seconds_count{method="Init"} 0
took_seconds_sum{method="Init"} 0
took_seconds_bucket{method="Init",le="0.001"} 0
took_seconds_bucket{method="Init",le="0.003"} 0
took_seconds_bucket{method="Init",le="0.01"} 0
took_seconds_bucket{method="Init",le="+Inf"} 0
# TYPE queue_count gauge
queue_count 7
rss_bytes 54525952
build_info{version="1"} 1
what is this
{x="1"} 2
open{x="1 2
)";

TEST(MetricsTextTest, ReadsNamesLabelsAndValues) {
  const std::vector<MetricSample> samples = ParseMetrics(kText);
  ASSERT_EQ(samples.size(), 19U);
  EXPECT_EQ(samples[0].name, "up");
  EXPECT_EQ(samples[0].value, 1);
  EXPECT_THAT(samples[0].labels, testing::IsEmpty());
  EXPECT_EQ(samples[1].name, "calls_total");
  EXPECT_THAT(samples[1].labels,
              ElementsAre(MetricLabel("method", "Step"), MetricLabel("code", "OK")));
  EXPECT_EQ(samples[1].Label("code"), "OK");
  EXPECT_EQ(samples[1].Label("none"), "");
  EXPECT_EQ(samples[3].Label("method"), "a\"b\\c\nd");
  EXPECT_EQ(samples[3].value, 2.5);
  EXPECT_EQ(SumOf(samples, "calls_total"), 1236.5);
  EXPECT_EQ(SumOf(samples, "none"), 0);
}

TEST(MetricsTextTest, TheBucketsOfOneSeries) {
  const std::vector<MetricSample> samples = ParseMetrics(kText);
  const auto buckets = BucketsOf(samples, "took_seconds", {"method", "Step"});
  ASSERT_EQ(buckets.size(), 4U);
  EXPECT_EQ(buckets[1].upper_bound, 0.003);
  EXPECT_EQ(buckets[1].count, 30);
  EXPECT_DOUBLE_EQ(*Quantile(0.5, buckets), 0.002);
}

TEST(MetricsTextTest, TheBucketsOfAnInterval) {
  const std::vector<HistogramBucket> earlier = {{1, 10}, {3, 20}};
  const std::vector<HistogramBucket> later = {{1, 10}, {3, 25}};
  const auto between = Since(earlier, later);
  EXPECT_EQ(between[0].count, 0);
  EXPECT_EQ(between[1].count, 5);
  EXPECT_EQ(Since({}, later)[1].count, 25);
}

TEST(MetricsTextTest, SummarisesWhatIsNotZero) {
  const std::string summary = SummarizeMetrics(kText);
  const std::vector<std::string> lines = absl::StrSplit(summary, '\n');
  EXPECT_THAT(lines, ElementsAre("SERIES                                 VALUE  P50    P99",
                                 "up                                         1",
                                 "calls_total{method=\"Step\",code=\"OK\"}    1234",
                                 "calls_total{method=\"a\"b\\c\\x0ad\"}         2.5",
                                 "took_seconds{method=\"Step\"}               40  2ms  9.7ms",
                                 "queue_count                                7",
                                 "rss_bytes                             52 MiB", ""));
}

TEST(MetricsTextTest, JsonHasEverything) {
  const auto json = nlohmann::json::parse(MetricsToJson(kText));
  ASSERT_EQ(json.size(), 19U);
  EXPECT_EQ(json[1]["name"], "calls_total");
  EXPECT_EQ(json[1]["labels"]["method"], "Step");
  EXPECT_EQ(json[1]["value"], 1234);
  EXPECT_EQ(json[2]["value"], 0);
}

TEST(MetricsTextTest, NothingIsNothing) {
  EXPECT_THAT(ParseMetrics(""), testing::IsEmpty());
  EXPECT_EQ(nlohmann::json::parse(MetricsToJson("")).size(), 0U);
}

}  // namespace
}  // namespace holdfast
