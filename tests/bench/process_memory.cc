#include "tests/bench/process_memory.h"

#include <algorithm>
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

void Add(pid_t process, ProcessMemory* all) {
  const std::string directory = absl::StrCat("/proc/", process);
  std::ifstream file(directory + "/smaps_rollup");
  constexpr double kMegabyte = 1024;  // In kB.
  for (std::string word; file >> word;) {
    double kilobytes = 0;
    if (word == "Rss:" && file >> kilobytes) all->rss_mb += kilobytes / kMegabyte;
    if (word == "Pss:" && file >> kilobytes) all->pss_mb += kilobytes / kMegabyte;
    if ((word == "Private_Clean:" || word == "Private_Dirty:") && file >> kilobytes) {
      all->private_mb += kilobytes / kMegabyte;
    }
  }
  all->threads = std::max(all->threads, CountEntries(directory + "/task"));
  all->descriptors = std::max(all->descriptors, CountEntries(directory + "/fd"));
}

}  // namespace

ProcessMemory MeasureMemory(const std::vector<pid_t>& processes) {
  ProcessMemory all;
  for (const pid_t process : processes) Add(process, &all);
  for (double* memory : {&all.rss_mb, &all.pss_mb, &all.private_mb}) {
    *memory /= static_cast<double>(processes.size());
  }
  return all;
}

}  // namespace holdfast
