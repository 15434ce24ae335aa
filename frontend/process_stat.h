// A process, as /proc/PID/stat tells of it.
#ifndef HOLDFAST_FRONTEND_PROCESS_STAT_H_
#define HOLDFAST_FRONTEND_PROCESS_STAT_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace holdfast {

struct ProcessStat {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  char state = '?';
  int64_t threads = 0;
  int64_t rss_bytes = 0;
  int64_t virtual_bytes = 0;
  double start_seconds = 0;    // After the machine's.
  double own_cpu_seconds = 0;  // User and system.
  double cpu_seconds = 0;      // The same, with children that were waited for.

  bool alive() const { return state != 'Z' && state != 'X'; }
  bool stopped() const { return state == 'T' || state == 't'; }  // By a signal, by a debugger.
};

// nullopt for what is no such line.
absl::optional<ProcessStat> ParseProcessStat(absl::string_view text);

// nullopt if there is no such process.
absl::optional<ProcessStat> ReadProcessStat(pid_t pid);

// The first 2 KiB of /proc/`pid`/`name`; empty if it cannot be read.
std::string ReadProcFile(pid_t pid, absl::string_view name);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_PROCESS_STAT_H_
