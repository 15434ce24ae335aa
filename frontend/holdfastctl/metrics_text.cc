#include "frontend/holdfastctl/metrics_text.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "frontend/admin/human_units.h"
#include "frontend/holdfastctl/table.h"

namespace holdfast {
namespace {

constexpr char kBucket[] = "_bucket";
constexpr char kBound[] = "le";

// Takes `"value"` off the text; \" \\ and \n stand for what they are. False: it is none.
bool TakeQuoted(absl::string_view* text, std::string* value) {
  if (!absl::ConsumePrefix(text, "\"")) return false;
  while (!text->empty()) {
    char c = text->front();
    text->remove_prefix(1);
    if (c == '"') return true;
    if (c == '\\' && !text->empty()) {
      c = text->front() == 'n' ? '\n' : text->front();
      text->remove_prefix(1);
    }
    *value += c;
  }
  return false;
}

bool ParseLine(absl::string_view line, MetricSample* sample) {
  const size_t end = line.find_first_of("{ ");
  if (end == 0 || end == absl::string_view::npos || line.front() == '#') return false;
  sample->name = std::string(line.substr(0, end));
  line.remove_prefix(end);
  if (absl::ConsumePrefix(&line, "{")) {
    while (!absl::ConsumePrefix(&line, "}")) {
      const size_t equals = line.find('=');
      if (equals == absl::string_view::npos) return false;
      MetricLabel label{std::string(line.substr(0, equals)), ""};
      line.remove_prefix(equals + 1);
      if (!TakeQuoted(&line, &label.second)) return false;
      absl::ConsumePrefix(&line, ",");
      sample->labels.push_back(std::move(label));
    }
  }
  // A time may follow, of which we have no use.
  const absl::string_view value = absl::StripAsciiWhitespace(line);
  return absl::SimpleAtod(value.substr(0, value.find(' ')), &sample->value);
}

// "holdfast_rpcs_total{method="Step",code="OK"}".
std::string SeriesName(absl::string_view name, const std::vector<MetricLabel>& labels) {
  std::string text(name);
  for (size_t i = 0; i < labels.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "{" : ",", labels[i].first, "=\"", labels[i].second, "\"");
  }
  return absl::StrCat(text, labels.empty() ? "" : "}");
}

std::string ValueText(absl::string_view name, double value) {
  if (absl::EndsWith(name, "_bytes")) return HumanBytes(std::llround(value));
  return absl::StrFormat("%.15g", value);
}

std::vector<MetricLabel> WithoutBound(std::vector<MetricLabel> labels) {
  labels.erase(std::remove_if(labels.begin(), labels.end(),
                              [](const MetricLabel& label) { return label.first == kBound; }),
               labels.end());
  return labels;
}

std::string LatencyText(double q, const std::vector<HistogramBucket>& buckets) {
  return HumanLatency(absl::Seconds(Quantile(q, buckets).value_or(0)));
}

// Says what runs, or since when: holdfastctl status says it better.
bool IsPlainFact(absl::string_view name) {
  return absl::EndsWith(name, "_info") || absl::EndsWith(name, "_start_time_seconds");
}

}  // namespace

std::string MetricSample::Label(absl::string_view name) const {
  for (const MetricLabel& label : labels) {
    if (label.first == name) return label.second;
  }
  return "";
}

std::vector<MetricSample> ParseMetrics(absl::string_view text) {
  std::vector<MetricSample> samples;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    MetricSample sample;
    if (!line.empty() && ParseLine(line, &sample)) samples.push_back(std::move(sample));
  }
  return samples;
}

double SumOf(const std::vector<MetricSample>& samples, absl::string_view name) {
  double sum = 0;
  for (const MetricSample& sample : samples) {
    if (sample.name == name) sum += sample.value;
  }
  return sum;
}

std::vector<HistogramBucket> BucketsOf(const std::vector<MetricSample>& samples,
                                       absl::string_view name, const MetricLabel& label) {
  std::vector<HistogramBucket> buckets;
  for (const MetricSample& sample : samples) {
    HistogramBucket bucket{0, sample.value};
    if (sample.name == absl::StrCat(name, kBucket) && sample.Label(label.first) == label.second &&
        absl::SimpleAtod(sample.Label(kBound), &bucket.upper_bound)) {
      buckets.push_back(bucket);
    }
  }
  return buckets;
}

std::vector<HistogramBucket> Since(const std::vector<HistogramBucket>& earlier,
                                   std::vector<HistogramBucket> later) {
  if (earlier.size() != later.size()) return later;
  for (size_t i = 0; i < later.size(); ++i) later[i].count -= earlier[i].count;
  return later;
}

std::string SummarizeMetrics(absl::string_view text) {
  const std::vector<MetricSample> samples = ParseMetrics(text);
  absl::flat_hash_set<std::string> histograms;
  for (const MetricSample& sample : samples) {
    absl::string_view base = sample.name;
    if (absl::ConsumeSuffix(&base, kBucket)) histograms.emplace(base);
  }
  Table table({{"SERIES", Table::Kind::kName},
               {"VALUE", Table::Kind::kNumber},
               {"P50", Table::Kind::kNumber},
               {"P99", Table::Kind::kNumber}});
  std::vector<HistogramBucket> buckets;  // Of the series that is being read.
  for (const MetricSample& sample : samples) {
    absl::string_view base = sample.name;
    if (absl::ConsumeSuffix(&base, kBucket)) {
      HistogramBucket bucket{0, sample.value};
      if (!absl::SimpleAtod(sample.Label(kBound), &bucket.upper_bound)) continue;
      buckets.push_back(bucket);
      if (!std::isinf(bucket.upper_bound)) continue;  // The last is infinite.
      if (bucket.count > 0) {
        table.AddRow({SeriesName(base, WithoutBound(sample.labels)), ValueText("", bucket.count),
                      LatencyText(0.5, buckets), LatencyText(0.99, buckets)});
      }
      buckets.clear();
      continue;
    }
    const bool is_of_histogram =
        (absl::ConsumeSuffix(&base, "_sum") || absl::ConsumeSuffix(&base, "_count")) &&
        histograms.contains(base);
    if (is_of_histogram || sample.value == 0 || IsPlainFact(sample.name)) continue;
    table.AddRow(
        {SeriesName(sample.name, sample.labels), ValueText(sample.name, sample.value), "", ""});
  }
  return JoinLines(table.Lines());
}

std::string MetricsToJson(absl::string_view text) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const MetricSample& sample : ParseMetrics(text)) {
    nlohmann::ordered_json labels = nlohmann::ordered_json::object();
    for (const MetricLabel& label : sample.labels) labels[label.first] = label.second;
    all.push_back({{"name", sample.name}, {"labels", labels}, {"value", sample.value}});
  }
  return all.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace holdfast
