#include "tests/chaos/report.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace holdfast::chaos {
namespace {

constexpr size_t kMaxComplaints = 20;

double Millis(const std::vector<absl::Duration>& sorted, double quantile) {
  if (sorted.empty()) return 0;
  const auto index = static_cast<size_t>(quantile * static_cast<double>(sorted.size() - 1));
  return absl::ToDoubleMilliseconds(sorted[index]);
}

// As Prometheus does it: within a bucket, values are taken to be spread evenly.
double Millis(const std::map<double, int64_t>& histogram, double quantile) {
  if (histogram.empty() || histogram.rbegin()->second == 0) return 0;
  const double rank = quantile * static_cast<double>(histogram.rbegin()->second);
  double low = 0;
  int64_t below = 0;
  for (const auto& bucket : histogram) {
    if (static_cast<double>(bucket.second) >= rank && bucket.second > below) {
      if (std::isinf(bucket.first)) return low * 1000;
      const double share =
          (rank - static_cast<double>(below)) / static_cast<double>(bucket.second - below);
      return (low + share * (bucket.first - low)) * 1000;
    }
    low = bucket.first;
    below = bucket.second;
  }
  return low * 1000;
}

template <typename Map>
int64_t Total(const Map& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0},
                         [](int64_t sum, const auto& count) { return sum + count.second; });
}

int64_t Count(const std::map<std::string, int64_t>& counts, const std::string& key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

int64_t AnswersThatEndWith(const Tally& tally, absl::string_view end) {
  int64_t count = 0;
  for (const auto& answer : tally.answers) {
    if (absl::EndsWith(answer.first, end)) count += answer.second;
  }
  return count;
}

void AppendCounts(absl::string_view title, const std::map<std::string, int64_t>& counts,
                  std::string* text) {
  absl::StrAppend(text, title, "\n");
  for (const auto& count : counts) {
    if (count.second == 0) continue;
    absl::StrAppendFormat(text, "  %-44s %8d\n", count.first, count.second);
  }
}

void AppendComplaints(absl::string_view title, const std::vector<std::string>& complaints,
                      std::string* text) {
  for (size_t i = 0; i < std::min(complaints.size(), kMaxComplaints); ++i) {
    absl::StrAppend(text, title, ": ", complaints[i], "\n");
  }
  if (complaints.size() > kMaxComplaints) {
    absl::StrAppend(text, title, ": and ", complaints.size() - kMaxComplaints, " more\n");
  }
}

std::string Slurp(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

void Report::AddMetrics(absl::string_view text) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    absl::string_view series = parts.first;
    double value = 0;
    // Not of ours: others' summaries may be NaN.
    if (!absl::ConsumePrefix(&series, "holdfast_")) continue;
    if (!absl::SimpleAtod(parts.second, &value)) continue;
    const auto count = static_cast<int64_t>(value);
    if (series == "broken_invariants_total") {
      broken_invariants += count;
    } else if (absl::ConsumePrefix(&series, "worker_failures_total{cause=\"")) {
      worker_failures[std::string(absl::StripSuffix(series, "\"}"))] += count;
    } else if (absl::ConsumePrefix(&series, "recoveries_total{outcome=\"")) {
      recoveries[std::string(absl::StripSuffix(series, "\"}"))] += count;
    } else if (absl::ConsumePrefix(&series, "recovery_duration_seconds_bucket{le=\"")) {
      double bound = 0;
      if (absl::SimpleAtod(absl::StripPrefix(absl::StripSuffix(series, "\"}"), "+"), &bound)) {
        recovery_duration[bound] += count;
      }
    }
  }
}

bool Report::IsGood() const {
  const bool has_torment = Total(delivered) > 0;
  return tally.sessions_lost == 0 && tally.faults.empty() && wrong_states.empty() &&
         faults.empty() && broken_invariants == 0 && sessions_left == 0 && processes_left == 0 &&
         scratch_left == 0 && sessions_compared > 0 && !tally.step_latency.empty() &&
         (!has_torment || Count(recoveries, "restored") > 0);
}

std::string Report::Text() const {
  std::vector<absl::Duration> latency = tally.step_latency;
  std::sort(latency.begin(), latency.end());
  std::string text;
  AppendCounts("torments", {delivered.begin(), delivered.end()}, &text);
  AppendCounts("answers", tally.answers, &text);
  AppendCounts("workers that failed their sessions", worker_failures, &text);
  AppendCounts("recoveries", recoveries, &text);
  const double recovery_p50 = Millis(recovery_duration, 0.5);
  const double recovery_p99 = Millis(recovery_duration, 0.99);
  absl::StrAppendFormat(&text, "recovery  p50 %8.1f ms   p99 %8.1f ms\n", recovery_p50,
                        recovery_p99);
  absl::StrAppendFormat(&text, "step      p50 %8.1f ms   p99 %8.1f ms\n", Millis(latency, 0.5),
                        Millis(latency, 0.99));
  AppendComplaints("FAULT", tally.faults, &text);
  AppendComplaints("FAULT", faults, &text);
  AppendComplaints("WRONG", wrong_states, &text);
  absl::StrAppendFormat(
      &text,
      "CHAOS result=%s seed=%d torments=%d calls=%d steps_ok=%d aborted=%d "
      "deadline_exceeded=%d recoveries=%d recovery_p50_ms=%.1f recovery_p99_ms=%.1f "
      "step_p50_ms=%.2f step_p99_ms=%.1f sessions_compared=%d sessions_lost=%d wrong_states=%d "
      "faults=%d broken_invariants=%d sessions_left=%d processes_left=%d scratch_left=%d\n",
      IsGood() ? "ok" : "FAILED", seed, Total(delivered), Total(tally.answers), latency.size(),
      AnswersThatEndWith(tally, " ABORTED"), AnswersThatEndWith(tally, " DEADLINE_EXCEEDED"),
      Count(recoveries, "restored"), recovery_p50, recovery_p99, Millis(latency, 0.5),
      Millis(latency, 0.99), sessions_compared, tally.sessions_lost, wrong_states.size(),
      tally.faults.size() + faults.size(), broken_invariants, sessions_left, processes_left,
      scratch_left);
  return text;
}

int CountProcessesOf(const std::string& directory) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid) || pid == getpid()) continue;
    // Of a zombie, both are empty.
    if (absl::StrContains(Slurp(entry.path() / "environ"), directory) ||
        absl::StrContains(Slurp(entry.path() / "cmdline"), directory)) {
      ++count;
    }
  }
  return count;
}

}  // namespace holdfast::chaos
