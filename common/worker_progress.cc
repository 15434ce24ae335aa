#include "common/worker_progress.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/unique_fd.h"

namespace holdfast {
namespace {

// The file is one word: the activity above, the index below.
constexpr int kActivityShift = 32;

static_assert(std::atomic<uint64_t>::is_always_lock_free, "a lock would be another process's");

}  // namespace

absl::StatusOr<ProgressWriter> ProgressWriter::Create(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  // With room on the disk, for without it the first store would be a SIGBUS.
  const int error = file ? posix_fallocate(file.get(), 0, sizeof(uint64_t)) : errno;
  if (error != 0) return absl::ErrnoToStatus(error, absl::StrCat("cannot make ", path));
  void* const page =
      mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (page == MAP_FAILED) return absl::ErrnoToStatus(errno, absl::StrCat("cannot map ", path));
  ProgressWriter writer;
  writer.word_ = new (page) std::atomic<uint64_t>(0);
  return writer;
}

ProgressWriter::~ProgressWriter() {
  if (word_ != nullptr) munmap(word_, sizeof(uint64_t));
}

ProgressWriter::ProgressWriter(ProgressWriter&& other) noexcept
    : word_(std::exchange(other.word_, nullptr)) {}

ProgressWriter& ProgressWriter::operator=(ProgressWriter&& other) noexcept {
  std::swap(word_, other.word_);
  return *this;
}

void ProgressWriter::Set(WorkerFailure::Activity activity, int32_t index) {
  if (word_ == nullptr) return;
  word_->store(static_cast<uint64_t>(activity) << kActivityShift | static_cast<uint32_t>(index),
               std::memory_order_relaxed);
}

WorkerProgress ReadProgress(const std::string& path) {
  WorkerProgress progress;
  // Not O_NOFOLLOW alone: a FIFO in its place must not hold us up.
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  uint64_t word = 0;
  if (!file || read(file.get(), &word, sizeof(word)) != sizeof(word)) return progress;
  const auto activity = static_cast<int>(std::min<uint64_t>(word >> kActivityShift, INT32_MAX));
  if (!WorkerFailure::Activity_IsValid(activity)) return progress;
  progress.activity = static_cast<WorkerFailure::Activity>(activity);
  progress.index = static_cast<int32_t>(word & INT32_MAX);
  return progress;
}

}  // namespace holdfast
