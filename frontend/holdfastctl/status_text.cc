#include "frontend/holdfastctl/status_text.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "frontend/admin/human_units.h"
#include "frontend/admin/proto_time.h"
#include "frontend/holdfastctl/crash_script.h"

namespace holdfast {
namespace {

using Kind = Table::Kind;

constexpr char kNone[] = "-";

std::string NumberOrNone(uint64_t number) { return number == 0 ? kNone : absl::StrCat(number); }

std::string BytesOrNone(int64_t bytes) { return bytes == 0 ? kNone : HumanBytes(bytes); }

std::string AgeOf(const google::protobuf::Timestamp& time, const admin::ServiceStatus& status) {
  return HumanAge(FromProto(status.time()) - FromProto(time));
}

std::string LatencyText(bool is_set, const google::protobuf::Duration& latency) {
  return is_set ? HumanLatency(FromProto(latency)) : kNone;
}

// "12: 3 busy, 9 parked", by size.
std::string CountsText(const std::map<std::string, int64_t>& counts) {
  std::vector<std::pair<std::string, int64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  int64_t total = 0;
  std::vector<std::string> parts;
  for (const auto& [state, count] : sorted) {
    total += count;
    if (count != 0) parts.push_back(absl::StrCat(count, " ", state));
  }
  return absl::StrCat(total, parts.empty() ? "" : ": ", absl::StrJoin(parts, ", "));
}

std::string CauseText(const WorkerFailure& failure) {
  return DescribeCause(failure.cause(), failure.signal(), failure.exit_code());
}

// "Step, action 3".
std::string PlaceText(const WorkerFailure& failure) {
  std::string place = failure.during().empty() ? "between calls" : failure.during();
  if (failure.activity() == WorkerFailure::NONE) return place;
  absl::StrAppend(&place, ", ",
                  absl::AsciiStrToLower(WorkerFailure::Activity_Name(failure.activity())));
  const bool is_one_of_many = failure.activity() == WorkerFailure::ACTION ||
                              failure.activity() == WorkerFailure::OBSERVATION;
  if (is_one_of_many) absl::StrAppend(&place, " ", failure.activity_index());
  return place;
}

class Lines {
 public:
  // Nothing if there is no text.
  void Add(const std::string& text) {
    if (!text.empty()) lines_.push_back(CutEnd(Showable(text), kColumns));
  }
  void AddField(absl::string_view name, const std::string& value) {
    const std::string before = absl::StrFormat("  %-10s ", name);
    if (!value.empty()) {
      lines_.push_back(absl::StrCat(
          before, CutMiddle(Showable(value), kColumns - static_cast<int>(before.size()))));
    }
  }
  // After an empty line.
  void AddTable(const Table& table) {
    lines_.emplace_back();
    for (std::string& line : table.Lines()) lines_.push_back(std::move(line));
  }
  std::string Text() const { return JoinLines(lines_); }

 private:
  std::vector<std::string> lines_;
};

std::string MoreText(int64_t shown, int64_t total) {
  return shown < total ? absl::StrCat("... and ", total - shown, " more") : "";
}

std::string CacheText(const admin::Cache& cache) {
  const int64_t asked = cache.hits() + cache.misses();
  return absl::StrCat(cache.benchmarks(), " benchmarks, ", HumanBytes(cache.bytes()), " of ",
                      HumanBytes(cache.max_bytes()), ", ", cache.evictions(), " evicted",
                      asked == 0 ? "" : absl::StrFormat(", %d%% hits", 100 * cache.hits() / asked));
}

std::string LastFailureText(const admin::ServiceStatus& status) {
  if (status.failures().empty()) return "none";
  const admin::Failure& last = status.failures(0);
  return absl::StrCat(status.failures_size(), " remembered, the last ", AgeOf(last.time(), status),
                      " ago: ", CauseText(last.failure()));
}

Table LatencyTable(const admin::ServiceStatus& status) {
  Table table({{"CALLS OF", Kind::kName},
               {"NUMBER", Kind::kNumber},
               {"P50", Kind::kNumber},
               {"P90", Kind::kNumber},
               {"P99", Kind::kNumber}});
  for (const admin::Latency& latency : status.latencies()) {
    table.AddRow({latency.method(), absl::StrCat(latency.calls()),
                  LatencyText(latency.has_p50(), latency.p50()),
                  LatencyText(latency.has_p90(), latency.p90()),
                  LatencyText(latency.has_p99(), latency.p99())});
  }
  return table;
}

Table BudgetTable(const admin::ServiceStatus& status) {
  Table table({{"MEMORY", Kind::kName}, {"USED", Kind::kNumber}, {"OF", Kind::kNumber}});
  for (const admin::Budget& budget : status.budgets()) {
    table.AddRow({budget.flag(), HumanBytes(budget.bytes()), HumanBytes(budget.max_bytes())});
  }
  return table;
}

Table LimitTable(const admin::ServiceStatus& status) {
  Table table({{"LIMIT", Kind::kName}, {"VALUE", Kind::kNumber}, {"HELD BY", Kind::kText}});
  for (const admin::Limit& limit : status.limits()) {
    table.AddRow({limit.flag(), limit.value(), limit.mechanism()});
  }
  return table;
}

}  // namespace

std::string ReadinessText(const admin::ServiceStatus& status) {
  const std::string name = absl::StrReplaceAll(
      absl::AsciiStrToLower(admin::ServiceStatus::Readiness_Name(status.readiness())),
      {{"_", " "}});
  const std::string known = name.empty() ? absl::StrCat("state ", status.readiness()) : name;
  return absl::StrCat(known, status.reason().empty() ? "" : ": ", status.reason());
}

std::string HeadLine(const admin::ServiceStatus& status) {
  return CutEnd(
      Showable(absl::StrCat("Holdfast ", status.version(), status.front_name().empty() ? "" : ", ",
                            status.front_name(), " (pid ", status.pid(), "), up ",
                            AgeOf(status.start_time(), status), ": ", ReadinessText(status))),
      kColumns);
}

std::string SessionCounts(const admin::ServiceStatus& status) {
  return CountsText({status.sessions_by_state().begin(), status.sessions_by_state().end()});
}

std::string WorkerCounts(const admin::ServiceStatus& status) {
  std::map<std::string, int64_t> counts;
  for (const admin::Worker& worker : status.workers()) ++counts[worker.state()];
  return CountsText(counts);
}

Table TabulateWorkers(const admin::ServiceStatus& status) {
  Table table({{"WORKER", Kind::kNumber},
               {"PID", Kind::kNumber},
               {"STATE", Kind::kText},
               {"AGE", Kind::kNumber},
               {"MEMORY", Kind::kNumber},
               {"SERVED", Kind::kNumber},
               {"SESSION", Kind::kNumber}});
  for (const admin::Worker& worker : status.workers()) {
    table.AddRow({absl::StrCat(worker.id()), NumberOrNone(static_cast<uint64_t>(worker.pid())),
                  worker.state(), AgeOf(worker.start_time(), status),
                  BytesOrNone(worker.resident_bytes()), absl::StrCat(worker.sessions_served()),
                  NumberOrNone(static_cast<uint64_t>(worker.session()))});
  }
  return table;
}

Table TabulateSessions(const admin::ServiceStatus& status) {
  Table table({{"SESSION", Kind::kNumber},
               {"STATE", Kind::kText},
               {"AGE", Kind::kNumber},
               {"IDLE", Kind::kNumber},
               {"ACTIONS", Kind::kNumber},
               {"WORKER", Kind::kNumber},
               {"BENCHMARK", Kind::kName}});
  for (const admin::Session& session : status.sessions()) {
    table.AddRow({absl::StrCat(session.id()), session.state(), AgeOf(session.start_time(), status),
                  session.has_last_call_time() ? AgeOf(session.last_call_time(), status) : "call",
                  absl::StrCat(session.actions()), NumberOrNone(session.worker()),
                  session.benchmark()});
  }
  return table;
}

std::string StatusText(const admin::ServiceStatus& status) {
  Lines lines;
  lines.Add(HeadLine(status));
  lines.AddField("address", status.address());
  lines.AddField("metrics", status.metrics_address().empty()
                                ? "off"
                                : absl::StrCat("http://", status.metrics_address(), "/metrics"));
  lines.AddField("build", status.build());
  lines.AddField("worker", status.worker_binary());
  lines.AddField("compiler", status.compiler_version());
  lines.AddField("sessions", SessionCounts(status));
  lines.AddField("workers",
                 absl::StrCat(WorkerCounts(status), "; ", status.waiting_requests(),
                              " sessions wait, ", status.warm_target(), " idle ones are kept"));
  lines.AddField("cache", CacheText(status.cache()));
  lines.AddField("failures", LastFailureText(status));
  lines.AddTable(LatencyTable(status));
  lines.AddTable(BudgetTable(status));
  lines.AddTable(LimitTable(status));
  return lines.Text();
}

std::string SessionsText(const admin::ServiceStatus& status) {
  Lines lines;
  lines.Add(absl::StrCat("Sessions: ", SessionCounts(status)));
  if (status.sessions().empty()) return lines.Text();
  lines.AddTable(TabulateSessions(status));
  int64_t total = 0;
  for (const auto& [state, count] : status.sessions_by_state()) total += count;
  lines.Add(MoreText(status.sessions_size(), total));
  return lines.Text();
}

std::string WorkersText(const admin::ServiceStatus& status) {
  Lines lines;
  lines.Add(absl::StrCat("Workers: ", WorkerCounts(status)));
  if (!status.workers().empty()) lines.AddTable(TabulateWorkers(status));
  if (status.exits().empty()) return lines.Text();
  Table exits({{"ENDED", Kind::kNumber},
               {"WORKER", Kind::kNumber},
               {"PID", Kind::kNumber},
               {"WHILE", Kind::kText},
               {"CAUSE", Kind::kText}});
  for (const admin::WorkerExit& exit : status.exits()) {
    const bool is_retired = exit.failure().cause() == WorkerFailure::UNKNOWN;
    exits.AddRow({absl::StrCat(AgeOf(exit.time(), status), " ago"), absl::StrCat(exit.worker()),
                  NumberOrNone(static_cast<uint64_t>(exit.pid())), exit.last_state(),
                  is_retired ? "retired" : CauseText(exit.failure())});
  }
  lines.AddTable(exits);
  return lines.Text();
}

std::string FailuresText(const admin::ServiceStatus& status) {
  Lines lines;
  if (status.failures().empty()) lines.Add("No worker has failed in the service of a session.");
  if (status.failures().empty()) return lines.Text();
  lines.Add(absl::StrCat("Failures, the latest first: ", status.failures_size()));
  Table table({{"WHEN", Kind::kNumber},
               {"CAUSE", Kind::kText},
               {"IN", Kind::kText},
               {"TRIES", Kind::kNumber},
               {"SESSION", Kind::kNumber},
               {"BENCHMARK", Kind::kName}});
  for (const admin::Failure& failure : status.failures()) {
    table.AddRow({absl::StrCat(AgeOf(failure.time(), status), " ago"), CauseText(failure.failure()),
                  PlaceText(failure.failure()), absl::StrCat(failure.failure().attempts()),
                  absl::StrCat(failure.session()), failure.benchmark()});
  }
  lines.AddTable(table);
  return lines.Text();
}

}  // namespace holdfast
