// Runs work on the thread that serves a completion queue.
#ifndef HOLDFAST_COMMON_QUEUE_WORK_H_
#define HOLDFAST_COMMON_QUEUE_WORK_H_

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/completion_tag.h"

namespace holdfast {

// Any thread. The queue must not have been shut down.
inline void RunOnQueue(grpc::CompletionQueue* queue, absl::AnyInvocable<void()> work) {
  struct Work final : CompletionTag {
    void Proceed(bool /*ok*/) override {
      run();
      delete this;
    }
    grpc::Alarm alarm;
    absl::AnyInvocable<void()> run;
  };
  auto* pending = new Work;  // Deletes itself.
  pending->run = std::move(work);
  pending->alarm.Set(queue, absl::ToChronoTime(absl::Now()), static_cast<CompletionTag*>(pending));
}

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_QUEUE_WORK_H_
