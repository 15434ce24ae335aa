#include "frontend/admin/status_page.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "frontend/admin/human_units.h"
#include "frontend/admin/proto_time.h"
#include "frontend/admin/public_status.h"
#include "frontend/failure_status.h"
#include "frontend/http/remembered_page.h"

namespace holdfast {
namespace {

constexpr absl::Duration kMaxAge = absl::Seconds(1);

constexpr char kStyle[] = R"css(
:root { color-scheme: light dark; --text: #1c2127; --soft: #5b6572; --back: #f6f7f9;
  --card: #fff; --line: #dfe3e8; --good: #1a7f37; --bad: #c5221f; --warn: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --text: #e3e7ec; --soft: #98a3b1; --back: #14171b;
  --card: #1d2127; --line: #343b44; --good: #57c06d; --bad: #ff7b72; --warn: #e0b252; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 80rem; color: var(--text);
  background: var(--back); font: 14px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1rem; margin: 1.6rem 0 .5rem; }
header { display: flex; gap: .8rem; align-items: baseline; flex-wrap: wrap; }
nav { margin-left: auto; } a { color: inherit; }
p { margin: .3rem 0; color: var(--soft); }
.state { padding: .05rem .55rem; border-radius: 1rem; border: 1px solid; font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .6rem;
  margin-top: 1rem; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .4rem;
  padding: .5rem .7rem; color: var(--soft); }
.tile b { display: block; font-size: 1.35rem; color: var(--text);
  font-variant-numeric: tabular-nums; }
.box { background: var(--card); border: 1px solid var(--line); border-radius: .4rem;
  overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .7rem; text-align: left; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; } th { color: var(--soft); font-weight: 500; }
td { font-variant-numeric: tabular-nums; } .number { text-align: right; }
.long { white-space: normal; overflow-wrap: anywhere; min-width: 14rem; }
code { font: 12.5px/1.4 ui-monospace, monospace; }
)css";

std::string Escape(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

enum class Align { kLeft, kRight, kLong };

struct Column {
  const char* title;
  Align align = Align::kLeft;
};

// A table, row by row. Cells are text, and escaped.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void Add(const std::vector<std::string>& cells) {
    absl::StrAppend(&rows_, "<tr>");
    for (size_t i = 0; i < cells.size(); ++i) {
      absl::StrAppend(&rows_, "<td", Class(i), ">", Escape(cells[i]), "</td>");
    }
    absl::StrAppend(&rows_, "</tr>\n");
  }

  // Under a heading; `about`, if any, is said below it.
  std::string Html(absl::string_view title, absl::string_view about = "") const {
    std::string html = absl::StrCat("<section><h2>", Escape(title), "</h2>\n");
    if (!about.empty()) absl::StrAppend(&html, "<p>", Escape(about), "</p>\n");
    if (rows_.empty()) return absl::StrCat(html, "<p>none</p></section>\n");
    absl::StrAppend(&html, "<div class=\"box\"><table><thead><tr>");
    for (size_t i = 0; i < columns_.size(); ++i) {
      absl::StrAppend(&html, "<th", Class(i), ">", Escape(columns_[i].title), "</th>");
    }
    return absl::StrCat(html, "</tr></thead><tbody>\n", rows_,
                        "</tbody></table></div></section>\n");
  }

 private:
  const char* Class(size_t column) const {
    constexpr const char* kClasses[] = {"", " class=\"number\"", " class=\"long\""};
    return kClasses[static_cast<int>(columns_[column].align)];
  }

  const std::vector<Column> columns_;
  std::string rows_;
};

// The times of a status, against the status's own.
class Ages {
 public:
  explicit Ages(const admin::ServiceStatus& status) : now_(FromProto(status.time())) {}
  std::string operator()(const google::protobuf::Timestamp& time) const {
    return HumanAge(now_ - FromProto(time));
  }

 private:
  const absl::Time now_;
};

std::string SessionName(int64_t id) {
  return id == 0 ? "" : absl::StrFormat("…%05d", id % 100'000);
}
std::string NumberOrNothing(uint64_t number) { return number == 0 ? "" : absl::StrCat(number); }

std::string Header(const admin::ServiceStatus& status) {
  constexpr const char* kClasses[] = {"warn", "good", "bad", "warn"};
  const std::string state = absl::StrReplaceAll(
      absl::AsciiStrToLower(admin::ServiceStatus::Readiness_Name(status.readiness())),
      {{"_", " "}});
  std::string html = absl::StrCat("<header><h1>Holdfast", status.front_name().empty() ? "" : " ",
                                  Escape(status.front_name()), "</h1>\n<span class=\"state ",
                                  kClasses[status.readiness() % 4], "\">", state, "</span>\n",
                                  "<span>", Escape(status.reason()), "</span>\n",
                                  "<nav><a href=\"/statusz.json\">JSON</a> · <a "
                                  "href=\"/metrics\">metrics</a></nav></header>\n");
  absl::StrAppend(&html, "<p>version ", Escape(status.version()), " (", Escape(status.build()),
                  "), pid ", status.pid(), ", serves on ", Escape(status.address()), "</p>\n");
  absl::StrAppend(&html, "<p>", Escape(status.compiler_version()), "; worker <code>",
                  Escape(status.worker_binary()), "</code></p>\n");
  return html;
}

std::string Tile(absl::string_view value, absl::string_view name) {
  return absl::StrCat("<div class=\"tile\"><b>", Escape(value), "</b>", Escape(name), "</div>\n");
}

std::string Tiles(const admin::ServiceStatus& status) {
  int64_t sessions = 0;
  std::string states;
  for (const auto& [state, count] : status.sessions_by_state()) {
    sessions += count;
    if (count > 0) absl::StrAppend(&states, states.empty() ? "" : ", ", count, " ", state);
  }
  const auto idle = std::count_if(status.workers().begin(), status.workers().end(),
                                  [](const auto& worker) { return worker.state() == "idle"; });
  std::string html = "<div class=\"tiles\">\n";
  absl::StrAppend(&html, Tile(Ages(status)(status.start_time()), "uptime"));
  absl::StrAppend(&html, Tile(absl::StrCat(sessions),
                              states.empty() ? "sessions" : absl::StrCat("sessions: ", states)));
  absl::StrAppend(&html, Tile(absl::StrCat(status.workers_size()),
                              absl::StrCat("workers: ", idle, " idle, ", status.warm_target(),
                                           " to be kept ready")));
  absl::StrAppend(&html, Tile(absl::StrCat(status.waiting_requests()), "wait for a worker"));
  absl::StrAppend(
      &html,
      Tile(absl::StrCat(status.cache().benchmarks()),
           absl::StrCat("benchmarks cached, ", HumanBytes(status.cache().bytes()), "; ",
                        status.cache().hits(), " hits, ", status.cache().misses(), " misses")));
  return absl::StrCat(html, "</div>\n");
}

std::string Workers(const admin::ServiceStatus& status) {
  const Ages age(status);
  Table table({{"worker"},
               {"pid"},
               {"state"},
               {"age", Align::kRight},
               {"memory", Align::kRight},
               {"session"},
               {"served before", Align::kRight}});
  for (const admin::Worker& worker : status.workers()) {
    table.Add({absl::StrCat(worker.id()), NumberOrNothing(worker.pid()), worker.state(),
               age(worker.start_time()), HumanBytes(worker.resident_bytes()),
               SessionName(worker.session()), absl::StrCat(worker.sessions_served())});
  }
  return table.Html("Workers");
}

std::string Sessions(const admin::ServiceStatus& status) {
  const Ages age(status);
  Table table({{"session"},
               {"benchmark", Align::kLong},
               {"state"},
               {"age", Align::kRight},
               {"actions", Align::kRight},
               {"last call", Align::kRight},
               {"worker", Align::kRight}});
  for (const admin::Session& session : status.sessions()) {
    table.Add({SessionName(session.id()), session.benchmark(), session.state(),
               age(session.start_time()), absl::StrCat(session.actions()),
               session.has_last_call_time() ? age(session.last_call_time()) : "now",
               NumberOrNothing(session.worker())});
  }
  return table.Html("Sessions", "The latest calls first; ids are shortened.");
}

std::string Failures(const admin::ServiceStatus& status) {
  const Ages age(status);
  Table table({{"ago", Align::kRight},
               {"session"},
               {"benchmark", Align::kLong},
               {"cause"},
               {"what", Align::kLong},
               {"during"},
               {"restored"}});
  for (const admin::Failure& failure : status.failures()) {
    const WorkerFailure& record = failure.failure();
    const std::string activity = DescribeActivity(record);
    table.Add({age(failure.time()), SessionName(failure.session()), failure.benchmark(),
               FailureCauseName(record.cause()), DescribeFailure(record),
               absl::StrCat(record.during(), activity.empty() ? "" : " ", activity),
               record.session_restored() ? "yes" : "no"});
  }
  return table.Html("Recent failures", "Of workers that held a session.");
}

std::string Exits(const admin::ServiceStatus& status) {
  const Ages age(status);
  Table table({{"ago", Align::kRight}, {"worker"}, {"pid"}, {"was"}, {"how", Align::kLong}});
  for (const admin::WorkerExit& exit : status.exits()) {
    table.Add({age(exit.time()), absl::StrCat(exit.worker()), NumberOrNothing(exit.pid()),
               exit.last_state(), DescribeFailure(exit.failure())});
  }
  return table.Html("Recent exits of workers");
}

std::string Latencies(const admin::ServiceStatus& status) {
  Table table({{"method"},
               {"calls", Align::kRight},
               {"p50", Align::kRight},
               {"p90", Align::kRight},
               {"p99", Align::kRight}});
  const auto took = [](bool is_known, const google::protobuf::Duration& duration) {
    return is_known ? HumanLatency(FromProto(duration)) : std::string();
  };
  for (const admin::Latency& latency : status.latencies()) {
    table.Add({latency.method(), absl::StrCat(latency.calls()),
               took(latency.has_p50(), latency.p50()), took(latency.has_p90(), latency.p90()),
               took(latency.has_p99(), latency.p99())});
  }
  return table.Html("Latency", "Since the start, estimated from the buckets of the histograms.");
}

std::string Bounds(const admin::ServiceStatus& status) {
  Table budgets({{"budget"}, {"used", Align::kRight}, {"of", Align::kRight}});
  for (const admin::Budget& budget : status.budgets()) {
    budgets.Add({budget.flag(), HumanBytes(budget.bytes()), HumanBytes(budget.max_bytes())});
  }
  Table limits({{"limit"}, {"value", Align::kRight}, {"held by"}});
  for (const admin::Limit& limit : status.limits()) {
    limits.Add({limit.flag(), limit.value(), limit.mechanism()});
  }
  return absl::StrCat(budgets.Html("Memory of the service"), limits.Html("Limits"));
}

}  // namespace

std::string StatusHtml(const admin::ServiceStatus& status) {
  return absl::StrCat("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n",
                      "<meta name=\"viewport\" content=\"width=device-width\">\n",
                      "<title>Holdfast: status</title>\n<style>", kStyle, "</style></head><body>\n",
                      Header(status), Tiles(status), Workers(status), Sessions(status),
                      Failures(status), Latencies(status), Exits(status), Bounds(status),
                      "</body></html>\n");
}

std::string StatusJson(const admin::ServiceStatus& status) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string json;
  // Fails only for messages of unknown types, of which there are none.
  (void)google::protobuf::util::MessageToJsonString(status, &json, options);
  return json;
}

std::vector<HttpPage> StatusPages(std::function<admin::ServiceStatus()> collect) {
  const auto collect_public = [collect = std::move(collect)] { return WithoutSecrets(collect()); };
  HttpPage html = {
      "/statusz", "what the service is doing", [collect_public](const HttpRequest& /*request*/) {
        return HttpReply{
            200,
            "text/html; charset=utf-8",
            StatusHtml(collect_public()),
            {{"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"}}};
      }};
  HttpPage json = {"/statusz.json", "the same, as JSON",
                   [collect_public](const HttpRequest& /*request*/) {
                     return HttpReply{200, "application/json", StatusJson(collect_public())};
                   }};
  return {RememberPage(std::move(html), kMaxAge), RememberPage(std::move(json), kMaxAge)};
}

}  // namespace holdfast
