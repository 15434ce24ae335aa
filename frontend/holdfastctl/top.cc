#include "frontend/holdfastctl/top.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "frontend/admin/human_units.h"
#include "frontend/admin/proto_time.h"
#include "frontend/admin/quantile.h"
#include "frontend/holdfastctl/status_text.h"
#include "frontend/holdfastctl/table.h"

namespace holdfast {
namespace {

constexpr char kLatency[] = "holdfast_rpc_duration_seconds";
const MetricLabel& StepLabel() {
  static const auto* const label = new MetricLabel("method", "Step");
  return *label;
}

double CountSteps(const TopSample& sample) {
  const std::vector<HistogramBucket> buckets = BucketsOf(sample.metrics, kLatency, StepLabel());
  return buckets.empty() ? 0 : buckets.back().count;
}

double CountRecoveries(const TopSample& sample) {
  return SumOf(sample.metrics, "holdfast_recoveries_total");
}

double CountFailures(const TopSample& sample) {
  return SumOf(sample.metrics, "holdfast_worker_failures_total");
}

// "steps 1234/s, recoveries 0.5/s, failures 0/s".
std::string RatesText(const absl::optional<TopSample>& earlier, const TopSample& now) {
  constexpr std::pair<const char*, double (*)(const TopSample&)> kRates[] = {
      {"steps", CountSteps}, {"recoveries", CountRecoveries}, {"failures", CountFailures}};
  double seconds = 0;
  if (earlier.has_value()) {
    seconds =
        absl::ToDoubleSeconds(FromProto(now.status.time()) - FromProto(earlier->status.time()));
  }
  std::string text;
  for (const auto& [name, count] : kRates) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", name, " ");
    if (seconds <= 0) {
      absl::StrAppend(&text, "-/s");
      continue;
    }
    const double rate = std::max(0.0, (count(now) - count(*earlier)) / seconds);
    absl::StrAppendFormat(&text, "%.*f/s", rate > 0 && rate < 10 ? 1 : 0, rate);
  }
  return text;
}

std::string LatencyText(const absl::optional<TopSample>& earlier, const TopSample& now) {
  std::vector<HistogramBucket> buckets = BucketsOf(now.metrics, kLatency, StepLabel());
  if (earlier.has_value()) {
    buckets = Since(BucketsOf(earlier->metrics, kLatency, StepLabel()), std::move(buckets));
  }
  const auto text = [&buckets](double q) {
    const absl::optional<double> seconds = Quantile(q, buckets);
    return seconds.has_value() ? HumanLatency(absl::Seconds(*seconds)) : "-";
  };
  return absl::StrCat("Step p50 ", text(0.5), ", p99 ", text(0.99));
}

// "memory: records 12 MiB, in flight 0 B".
std::string MemoryText(const admin::ServiceStatus& status) {
  constexpr std::pair<const char*, const char*> kNames[] = {{"--max_record_bytes", "records"},
                                                            {"--max_inflight_bytes", "in flight"},
                                                            {"--checkpoint_bytes", "checkpoints"},
                                                            {"--benchmark_cache_bytes", "cache"}};
  std::vector<std::string> parts;
  for (const admin::Budget& budget : status.budgets()) {
    for (const auto& [flag, name] : kNames) {
      if (budget.flag() == flag) {
        parts.push_back(absl::StrCat(name, " ", HumanBytes(budget.bytes())));
      }
    }
  }
  return absl::StrCat("memory: ", absl::StrJoin(parts, ", "));
}

// The table, after an empty line, in at most `rows` lines.
void AddTable(const Table& table, int rows, int columns, std::vector<std::string>* lines) {
  std::vector<std::string> all = table.Lines(columns);
  const int room = rows - 1;
  if (room < 2) return;
  if (static_cast<int>(all.size()) > room) {
    const size_t left_out = all.size() - static_cast<size_t>(room) + 1;
    all.resize(static_cast<size_t>(room) - 1);
    all.push_back(absl::StrCat("... and ", left_out, " more"));
  }
  lines->emplace_back();
  lines->insert(lines->end(), all.begin(), all.end());
}

}  // namespace

std::vector<std::string> TopLines(const absl::optional<TopSample>& earlier, const TopSample& now,
                                  int rows, int columns) {
  const admin::ServiceStatus& status = now.status;
  std::vector<std::string> lines = {
      HeadLine(status),
      absl::StrCat(RatesText(earlier, now), "; ", LatencyText(earlier, now)),
      absl::StrCat("sessions ", SessionCounts(status), "; ", status.waiting_requests(), " wait"),
      absl::StrCat("workers ", WorkerCounts(status)),
      MemoryText(status),
  };
  for (std::string& line : lines) line = CutEnd(Showable(line), columns);
  // Workers get half of the room at most, unless sessions leave more.
  const int room = rows - static_cast<int>(lines.size());
  const int wanted = status.sessions().empty() ? 0 : status.sessions_size() + 2;
  const int for_sessions = std::min(wanted, room - room / 2);
  AddTable(TabulateWorkers(status), room - for_sessions, columns, &lines);
  if (!status.sessions().empty()) {
    AddTable(TabulateSessions(status), rows - static_cast<int>(lines.size()), columns, &lines);
  }
  lines.resize(std::min(lines.size(), static_cast<size_t>(std::max(0, rows))));
  return lines;
}

}  // namespace holdfast
