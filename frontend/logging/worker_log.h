// What workers write to stdout and stderr.
#ifndef HOLDFAST_FRONTEND_LOGGING_WORKER_LOG_H_
#define HOLDFAST_FRONTEND_LOGGING_WORKER_LOG_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "frontend/logging/log_file.h"
#include "frontend/logging/log_levels.h"

namespace holdfast {

// Writes DIRECTORY/workers.log, see LogFile: each line with its time, worker and stream. Untrusted:
// control characters are escaped, lines are broken after 4 KiB, and of each worker at most 1 MiB is
// kept. Not thread-safe.
class WorkerLog {
 public:
  // An empty `directory`: to no file. If it cannot be opened a warning is logged, and the output
  // lost.
  WorkerLog(std::string directory, LogFormat format);
  ~WorkerLog();

  // `bytes` need not end with a line.
  void WorkerOutput(uint64_t worker, bool is_stderr, absl::string_view bytes);
  // Writes its unfinished lines, and forgets it. Nothing of this worker may follow.
  void WorkerGone(uint64_t worker);

  // Opens the file anew. False: it failed, which the service's log tells, and the old one stays.
  bool Reopen();

 private:
  struct Worker {
    std::string unfinished[2];  // stdout, stderr.
    size_t written_bytes = 0;
    bool is_muted = false;
  };

  void WriteLine(uint64_t id, bool is_stderr, absl::string_view line, Worker* worker);

  const std::string directory_;
  const LogFormat format_;
  std::unique_ptr<LogFile> file_;  // Null: none.
  absl::flat_hash_map<uint64_t, Worker> workers_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_LOGGING_WORKER_LOG_H_
