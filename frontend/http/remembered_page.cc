#include "frontend/http/remembered_page.h"

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"

namespace holdfast {
namespace {

class Memory {
 public:
  Memory(HttpPage page, absl::Duration max_age) : page_(std::move(page)), max_age_(max_age) {}

  HttpReply Answer(const HttpRequest& request) {
    absl::MutexLock lock(&mutex_);
    const absl::Duration age = absl::Now() - made_;
    // Less than nothing: the clock was set back.
    if (age < absl::ZeroDuration() || age >= max_age_) {
      reply_ = page_.answer(request);
      made_ = absl::Now();
    }
    return reply_;
  }

 private:
  const HttpPage page_;
  const absl::Duration max_age_;
  absl::Mutex mutex_;
  HttpReply reply_ ABSL_GUARDED_BY(mutex_);
  absl::Time made_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace

HttpPage RememberPage(HttpPage page, absl::Duration max_age) {
  HttpPage remembered = {page.path, page.about, nullptr};
  remembered.answer = [memory = std::make_shared<Memory>(std::move(page), max_age)](
                          const HttpRequest& request) { return memory->Answer(request); };
  return remembered;
}

}  // namespace holdfast
