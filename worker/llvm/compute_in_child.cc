#include "worker/llvm/compute_in_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace holdfast::llvm_session {
namespace {

void WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    bytes.remove_prefix(written);
  }
}

// The answer on the pipe: the status code in one byte, then the value or the message.
[[noreturn]] void RunChild(int answer_pipe, pid_t parent,
                           const std::function<absl::StatusOr<std::string>()>& compute) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  // The worker's link must not stay open here. The pipe becomes the one descriptor above stderr.
  constexpr int kPipe = STDERR_FILENO + 1;
  if (answer_pipe != kPipe && dup2(answer_pipe, kPipe) < 0) _exit(1);
  syscall(SYS_close_range, kPipe + 1, ~0U, 0);
  // LLVM exits on fatal errors. What others want done then is for the worker, and needs its
  // threads.
  on_exit([](int code, void*) { _exit(code); }, nullptr);
  const absl::StatusOr<std::string> value = compute();
  const char code = static_cast<char>(value.status().code());
  WriteAll(kPipe, absl::string_view(&code, 1));
  WriteAll(kPipe, value.ok() ? absl::string_view(*value) : value.status().message());
  _exit(0);
}

// Reads until the child's end closes; false if that took longer than until `deadline`.
bool ReadUntil(int fd, absl::Time deadline, std::string* bytes) {
  char buffer[1 << 14];
  while (true) {
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    pollfd readable{fd, POLLIN, 0};
    const int ready = poll(&readable, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t count = read(fd, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return true;
    bytes->append(buffer, count);
  }
}

}  // namespace

absl::StatusOr<std::string> ComputeInChild(
    absl::Duration limit, const std::function<absl::StatusOr<std::string>()>& compute) {
  const absl::Time deadline = absl::Now() + limit;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::InternalError(absl::StrCat("Cannot make a pipe: ", strerror(errno)));
  }
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) RunChild(ends[1], parent, compute);
  const int fork_error = errno;
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    return absl::InternalError(absl::StrCat("Cannot fork: ", strerror(fork_error)));
  }

  std::string answer;
  const bool in_time = ReadUntil(ends[0], deadline, &answer);
  close(ends[0]);
  if (!in_time) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) {
    return absl::DeadlineExceededError(
        absl::StrCat("not done within ", absl::FormatDuration(limit)));
  }
  if (WIFSIGNALED(status)) {
    return absl::InternalError(absl::StrCat("crashed: ", strsignal(WTERMSIG(status))));
  }
  if (WEXITSTATUS(status) != 0 || answer.empty()) {
    return absl::InternalError(absl::StrCat("exited with code ", WEXITSTATUS(status)));
  }
  const auto code = static_cast<absl::StatusCode>(answer[0]);
  answer.erase(0, 1);
  if (code != absl::StatusCode::kOk) return absl::Status(code, answer);
  return answer;
}

}  // namespace holdfast::llvm_session
