// What a worker is doing right now, in a small file that it shares with the front: when the worker
// has died in a call of many actions, the file tells in which.
#ifndef HOLDFAST_COMMON_WORKER_PROGRESS_H_
#define HOLDFAST_COMMON_WORKER_PROGRESS_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "proto/worker_failure.pb.h"

namespace holdfast {

struct WorkerProgress {
  WorkerFailure::Activity activity = WorkerFailure::NONE;
  int32_t index = 0;  // At least 0.
};

// The worker's side: a mapping of the file, so that Set() is one store, and what was stored
// survives any end of the process. Not thread-safe.
class ProgressWriter {
 public:
  // Does nothing.
  ProgressWriter() = default;
  // Makes the file, mode 0600. An error names the path.
  static absl::StatusOr<ProgressWriter> Create(const std::string& path);
  ~ProgressWriter();
  ProgressWriter(ProgressWriter&& other) noexcept;
  ProgressWriter& operator=(ProgressWriter&& other) noexcept;

  void Set(WorkerFailure::Activity activity, int32_t index = 0);

 private:
  std::atomic<uint64_t>* word_ = nullptr;
};

// The front's side. Untrusted: anything but a valid file reads as NONE.
WorkerProgress ReadProgress(const std::string& path);

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_WORKER_PROGRESS_H_
