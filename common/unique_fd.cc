#include "common/unique_fd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

absl::Status OutOfDescriptors(const char* call) {
  return absl::ResourceExhaustedError(absl::StrCat(call, ": ", std::strerror(errno)));
}

}  // namespace

void UniqueFd::reset(int fd) {
  if (fd_ >= 0 && fd_ != fd) close(fd_);
  fd_ = fd;
}

absl::StatusOr<FdPair> MakeSocketPair(int type) {
  int fds[2];
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
    return OutOfDescriptors("socketpair");
  }
  return FdPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

absl::StatusOr<FdPair> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return OutOfDescriptors("pipe2");
  FdPair pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
  fcntl(pipe.first.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

}  // namespace holdfast
