#include "frontend/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "frontend/metrics/metric_table.h"

namespace holdfast {
namespace {

// Fields of /proc/self/stat, by their numbers in proc(5).
enum StatField {
  kFirstAfterName = 3,
  kUserTicks = 14,
  kSystemTicks = 15,
  kThreads = 20,
  kStartTicks = 22,
  kVirtualBytes = 23,
  kResidentPages = 24,
};

class ProcessStat {
 public:
  ProcessStat() {
    std::ifstream file("/proc/self/stat");
    text_.assign(std::istreambuf_iterator<char>(file), {});
    // The second field, the name of the process, is in parentheses and may hold anything.
    const size_t end_of_name = text_.rfind(')');
    if (end_of_name == std::string::npos) return;
    fields_ = absl::StrSplit(absl::string_view(text_).substr(end_of_name + 1), ' ',
                             absl::SkipWhitespace());
  }

  // 0 if it cannot be read.
  double Get(StatField field) const {
    const size_t index = field - kFirstAfterName;
    double value = 0;
    if (index < fields_.size() && !absl::SimpleAtod(fields_[index], &value)) return 0;
    return value;
  }

  double GetSeconds(StatField field) const { return Get(field) / sysconf(_SC_CLK_TCK); }

 private:
  std::string text_;
  std::vector<absl::string_view> fields_;
};

double BootTimeSeconds() {
  std::ifstream file("/proc/stat");
  std::string word;
  double seconds = 0;
  while (file >> word && word != "btime") file.ignore(std::numeric_limits<int>::max(), '\n');
  file >> seconds;
  return seconds;
}

double CountOpenFds() {
  std::error_code error;
  std::filesystem::directory_iterator fds("/proc/self/fd", error);
  int count = -1;  // One is that of the iteration.
  for (; !error && fds != std::filesystem::directory_iterator(); fds.increment(error)) ++count;
  return count;
}

double MaxFds() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

ProcessMetrics::ProcessMetrics()
    : start_time_seconds_(BootTimeSeconds() + ProcessStat().GetSeconds(kStartTicks)) {}

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  const ProcessStat stat;
  const double cpu_seconds = stat.GetSeconds(kUserTicks) + stat.GetSeconds(kSystemTicks);
  const double page_bytes = static_cast<double>(sysconf(_SC_PAGESIZE));
  return {
      MakeFamily(Metric::kProcessCpu, cpu_seconds),
      MakeFamily(Metric::kProcessResidentMemory, stat.Get(kResidentPages) * page_bytes),
      MakeFamily(Metric::kProcessVirtualMemory, stat.Get(kVirtualBytes)),
      MakeFamily(Metric::kProcessOpenFds, CountOpenFds()),
      MakeFamily(Metric::kProcessMaxFds, MaxFds()),
      MakeFamily(Metric::kProcessStartTime, start_time_seconds_),
      MakeFamily(Metric::kProcessThreads, stat.Get(kThreads)),
  };
}

}  // namespace holdfast
