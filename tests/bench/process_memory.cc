#include "tests/bench/process_memory.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

double CountEntries(const std::string& directory) {
  const std::filesystem::directory_iterator entries(directory);
  return static_cast<double>(std::distance(begin(entries), end(entries)));
}

void Add(pid_t process, ProcessMemory* sum) {
  const std::string directory = absl::StrCat("/proc/", process);
  std::ifstream file(directory + "/smaps_rollup");
  constexpr double kMegabyte = 1024;  // In kB.
  for (std::string word; file >> word;) {
    double kilobytes = 0;
    if (word == "Rss:" && file >> kilobytes) sum->rss_mb += kilobytes / kMegabyte;
    if (word == "Pss:" && file >> kilobytes) sum->pss_mb += kilobytes / kMegabyte;
    if ((word == "Private_Clean:" || word == "Private_Dirty:") && file >> kilobytes) {
      sum->private_mb += kilobytes / kMegabyte;
    }
  }
  sum->threads += CountEntries(directory + "/task");
  sum->descriptors += CountEntries(directory + "/fd");
}

}  // namespace

ProcessMemory AverageMemory(const std::vector<pid_t>& processes) {
  ProcessMemory sum;
  for (const pid_t process : processes) Add(process, &sum);
  const auto count = static_cast<double>(processes.size());
  return {sum.rss_mb / count, sum.pss_mb / count, sum.private_mb / count, sum.threads / count,
          sum.descriptors / count};
}

}  // namespace holdfast
