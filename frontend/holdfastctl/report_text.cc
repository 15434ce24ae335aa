#include "frontend/holdfastctl/report_text.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "frontend/crash_reports/crash_report.h"
#include "frontend/holdfastctl/crash_script.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr size_t kColumns = 80;
constexpr size_t kIdWidth = 16;
constexpr size_t kMaxNameWidth = 24;  // "-reduced" and all; more would leave no room.
constexpr char kRow[] = "%-*s  %-16s  %-13s %7s  %s";

std::string Minute(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M", time, absl::UTCTimeZone());
}

// A line that fits.
std::string Line(std::string text) {
  if (text.size() > kColumns) text = absl::StrCat(text.substr(0, kColumns - 3), "...");
  return absl::StrCat(text, "\n");
}

std::string CauseOf(const CrashReport& report) {
  return DescribeCause(report.failure().cause(), report.failure().signal(),
                       report.failure().exit_code());
}

// A file's name without its suffix.
std::string StemOf(const fs::path& path) { return Printable(path.stem().string()); }

std::string Row(const fs::path& path, int name_width, absl::Time last_seen, uint64_t size) {
  const absl::StatusOr<CrashReport> report = ReadCrashReport(path.string());
  if (!report.ok()) {
    return Line(absl::StrCat(StemOf(path), "  unreadable")) +
           Line(absl::StrCat("  ", Printable(report.status().message())));
  }
  return Line(absl::StrFormat(kRow, name_width, StemOf(path), Minute(last_seen), CauseOf(*report),
                              absl::StrCat(CountActions(CallsOf(*report))),
                              Printable(report->signature().last_action()))) +
         Line(absl::StrCat("  first ", Minute(absl::FromUnixMicros(report->time_micros())), ", ",
                           FormatSize(size), ", ", Printable(report->version().compiler_version()),
                           ", ", Printable(report->benchmark().uri())));
}

class Lines {
 public:
  void Add(absl::string_view name, absl::string_view value) {
    absl::StrAppendFormat(&text_, "%-16s %s\n", absl::StrCat(name, ":"), value);
  }
  // Nothing if there is no value.
  void AddIf(bool is_there, absl::string_view name, absl::string_view value) {
    if (is_there) Add(name, value);
  }
  void AddBlock(absl::string_view title, const std::vector<std::string>& lines) {
    absl::StrAppend(&text_, title, ":\n");
    for (const std::string& line : lines) absl::StrAppend(&text_, "  ", line, "\n");
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string DescribeFailedCall(const CrashReport& report) {
  Call call;
  if (report.has_start()) return "the start of the session";
  if (report.has_parameter()) *call.mutable_parameter() = report.parameter();
  if (report.has_step()) *call.mutable_step() = report.step();
  return report.call_case() == CrashReport::CALL_NOT_SET ? "none, or in a recovery"
                                                         : DescribeCall(call, nullptr, 0);
}

void AddFailure(const WorkerFailure& failure, Lines* lines) {
  lines->Add("cause", DescribeCause(failure.cause(), failure.signal(), failure.exit_code()));
  lines->AddIf(!failure.limit_flag().empty(), "limit",
               absl::StrCat(Printable(failure.limit_flag()), " ", failure.limit(), ", measured ",
                            failure.measured() == 0 ? "more" : absl::StrCat(failure.measured())));
  lines->AddIf(!failure.during().empty(), "during", Printable(failure.during()));
  lines->AddIf(failure.activity() != WorkerFailure::NONE, "activity",
               absl::StrCat(WorkerFailure::Activity_Name(failure.activity()), " ",
                            failure.activity_index()));
  lines->Add("attempts", absl::StrCat(failure.attempts()));
  lines->Add("restored", failure.session_restored() ? "yes" : "no");
  lines->AddIf(failure.peak_rss_bytes() > 0, "peak memory",
               FormatSize(static_cast<uint64_t>(std::max<int64_t>(0, failure.peak_rss_bytes()))));
  lines->AddIf(failure.cpu_seconds() > 0, "CPU time",
               absl::StrFormat("%.3f s", failure.cpu_seconds()));
}

}  // namespace

std::string FormatSize(uint64_t bytes) {
  if (bytes < 10 * 1024) return absl::StrCat(bytes, " B");
  return bytes < 10 * 1024 * 1024 ? absl::StrCat(bytes >> 10, " KiB")
                                  : absl::StrCat(bytes >> 20, " MiB");
}

absl::StatusOr<std::string> ListReports(const std::string& directory) {
  struct File {
    fs::path path;
    struct stat info;
    auto Order() const { return std::make_tuple(info.st_mtim.tv_sec, info.st_mtim.tv_nsec, path); }
  };
  std::vector<File> files;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    File file{entry->path(), {}};
    if (absl::EndsWith(file.path.string(), kCrashReportSuffix) &&
        stat(file.path.c_str(), &file.info) == 0) {
      files.push_back(std::move(file));
    }
  }
  if (error) {
    return absl::NotFoundError(
        absl::StrCat("cannot read the directory ", Printable(directory), ": ", error.message()));
  }
  // A report is touched when its failure is seen again.
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.Order() < b.Order(); });
  size_t longest = kIdWidth;
  for (const File& file : files) longest = std::max(longest, StemOf(file.path).size());
  const int name_width = static_cast<int>(std::min(longest, kMaxNameWidth));
  std::string text = Line(absl::StrFormat(kRow, name_width, "REPORT", "LAST SEEN (UTC)", "CAUSE",
                                          "ACTIONS", "LAST ACTION"));
  for (const File& file : files) {
    absl::StrAppend(&text, Row(file.path, name_width, absl::TimeFromTimespec(file.info.st_mtim),
                               static_cast<uint64_t>(std::max<off_t>(0, file.info.st_size))));
  }
  return text;
}

std::string ShowReport(const CrashReport& report) {
  Lines lines;
  lines.Add("report", report.id());
  lines.Add("first seen", absl::StrCat(Minute(absl::FromUnixMicros(report.time_micros())), " UTC"));
  lines.Add("compiler", Printable(report.version().compiler_version()));
  lines.Add("service", Printable(report.version().service_version()));
  lines.Add("worker", Printable(report.worker()));
  lines.AddIf(report.worker_flags_size() > 0, "worker flags",
              Printable(absl::StrJoin(report.worker_flags(), " ")));
  lines.Add("benchmark", absl::StrCat(Printable(report.benchmark().uri()), ", ",
                                      FormatSize(report.benchmark().program().contents().size())));
  lines.Add("action space",
            absl::StrCat(Printable(report.action_space_name()), " (", report.action_space(), ")"));
  AddFailure(report.failure(), &lines);

  std::vector<std::string> where;
  for (const std::string& line : report.signature().where()) where.push_back(Printable(line));
  lines.Add("last action", Printable(report.signature().last_action()));
  lines.AddBlock("where", where);
  std::vector<std::string> calls;
  for (const Call& call : report.history()) {
    calls.push_back(absl::StrCat(calls.size() + 1, ". ", DescribeCall(call, nullptr, 0)));
  }
  lines.AddBlock("history", calls);
  lines.Add("failing call", DescribeFailedCall(report));
  std::vector<std::string> output;
  for (const absl::string_view line :
       absl::StrSplit(report.failure().stderr_tail(), '\n', absl::SkipEmpty())) {
    output.push_back(Printable(line));
  }
  lines.AddBlock("stderr, at its end", output);
  return lines.Take();
}

}  // namespace holdfast
