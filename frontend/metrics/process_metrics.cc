#include "frontend/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <system_error>

#include "frontend/metrics/metric_table.h"
#include "frontend/process_stat.h"

namespace holdfast {
namespace {

// All zero if it cannot be read.
ProcessStat OwnStat() { return ReadProcessStat(getpid()).value_or(ProcessStat()); }

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
    : start_time_seconds_(BootTimeSeconds() + OwnStat().start_seconds) {}

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  const ProcessStat stat = OwnStat();
  return {
      MakeFamily(Metric::kProcessCpu, stat.own_cpu_seconds),
      MakeFamily(Metric::kProcessResidentMemory, static_cast<double>(stat.rss_bytes)),
      MakeFamily(Metric::kProcessVirtualMemory, static_cast<double>(stat.virtual_bytes)),
      MakeFamily(Metric::kProcessOpenFds, CountOpenFds()),
      MakeFamily(Metric::kProcessMaxFds, MaxFds()),
      MakeFamily(Metric::kProcessStartTime, start_time_seconds_),
      MakeFamily(Metric::kProcessThreads, static_cast<double>(stat.threads)),
  };
}

}  // namespace holdfast
