// Owns a file descriptor.
#ifndef HOLDFAST_COMMON_UNIQUE_FD_H_
#define HOLDFAST_COMMON_UNIQUE_FD_H_

#include <utility>

#include "absl/status/statusor.h"

namespace holdfast {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

struct FdPair {
  UniqueFd first;
  UniqueFd second;
};

// A connected pair of Unix sockets of `type` (SOCK_STREAM, SOCK_SEQPACKET), both CLOEXEC and
// non-blocking. RESOURCE_EXHAUSTED when the process is out of descriptors.
absl::StatusOr<FdPair> MakeSocketPair(int type);

// A pipe: `first` reads, `second` writes. Both CLOEXEC; only the reading end is non-blocking.
absl::StatusOr<FdPair> MakePipe();

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_UNIQUE_FD_H_
