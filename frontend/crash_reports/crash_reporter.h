// Writes a crash report for each distinct failure, within bounds.
#ifndef HOLDFAST_FRONTEND_CRASH_REPORTS_CRASH_REPORTER_H_
#define HOLDFAST_FRONTEND_CRASH_REPORTS_CRASH_REPORTER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "frontend/crash_reports/crash_event.h"
#include "frontend/worker_description.h"

namespace holdfast {

class CrashReporter {
 public:
  struct Options {
    std::string directory;  // Made if need be, mode 0700. Reports of earlier runs count, too.
    // Bounds on all reports together. When they are exceeded, those not seen for longest go.
    int max_reports = 100;  // 0: none are written.
    int64_t max_bytes = 256 << 20;
    std::string worker;  // For the reports: see CrashReport.
    std::vector<std::string> worker_flags;
  };
  struct Stats {
    int64_t written = 0;     // Files.
    int64_t duplicates = 0;  // Failures that a report was there for.
    int64_t failed = 0;      // Could not be written, or were too large.
    int64_t dropped = 0;     // Not looked at: too many failures at once.
    int64_t reports = 0;     // Files there are now.
    int64_t bytes = 0;       // And their size.
  };

  // `run_blocking` runs work on a thread that may block; work still there at the end is awaited by
  // its owner. `description` outlives this.
  CrashReporter(Options options, const WorkerDescription* description,
                std::function<void(absl::AnyInvocable<void()>)> run_blocking);
  ~CrashReporter();

  // Makes the directory and finds the reports that are there; call it first, once. InvalidArgument
  // names the flag. The directory is this reporter's until it and its work have ended.
  absl::Status Start();

  // Any thread, returns at once. Failures that are not the compiler's (the caller gave up, the
  // service ends, the spawner was lost, the worker was killed from outside) are ignored.
  void Report(CrashEvent event);

  Stats GetStats() const;  // Any thread.

 private:
  class Store;
  const std::shared_ptr<Store> store_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_CRASH_REPORTS_CRASH_REPORTER_H_
