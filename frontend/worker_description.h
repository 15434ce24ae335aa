// What the workers said of themselves: versions and spaces. The same for all, as they are the same
// program.
#ifndef HOLDFAST_FRONTEND_WORKER_DESCRIPTION_H_
#define HOLDFAST_FRONTEND_WORKER_DESCRIPTION_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "frontend/step_request.h"
#include "proto/worker_control.pb.h"

namespace holdfast {

// Thread-safe.
class WorkerDescription {
 public:
  using Described = std::shared_ptr<const DescribeReply>;
  using Callback = absl::AnyInvocable<void(absl::StatusOr<Described>)>;

  // The first worker has described itself; later ones say the same.
  void Set(const DescribeReply& description);
  // No worker can be started. Until a description is there, those who ask get this error.
  void SetUnavailable(const std::string& why);

  // Null before the first Set().
  Described Get() const;
  // Runs `callback` once: now if it is known, or cannot be, or by the thread that makes it so.
  void Await(Callback callback);

 private:
  mutable absl::Mutex mutex_;
  Described description_ ABSL_GUARDED_BY(mutex_);
  absl::Status unavailable_ ABSL_GUARDED_BY(mutex_);  // Set by SetUnavailable().
  std::vector<Callback> waiting_ ABSL_GUARDED_BY(mutex_);
};

// The actions of a step by the names of their space, for messages: "-gvn (61), -licm (72)", and at
// most a few of them.
std::string DescribeActions(const compiler_gym::ActionSpace& space, const StepRequestView& step);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_WORKER_DESCRIPTION_H_
