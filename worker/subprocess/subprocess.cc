#include "worker/subprocess/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/unique_fd.h"

namespace holdfast {
namespace {

// Null-terminated, as exec wants it.
std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Tells the parent why there is no program, by errno.
[[noreturn]] void Fail(int error_pipe) {
  const int error = errno;
  const ssize_t ignored = write(error_pipe, &error, sizeof(error));
  _exit(ignored == sizeof(error) ? 126 : 127);
}

// Runs in the child, between fork and exec: async-signal-safe calls only. The pipes are CLOEXEC.
[[noreturn]] void Exec(const std::vector<char*>& arguments, const std::vector<char*>& environment,
                       const char* directory, pid_t parent, int output_pipe, int error_pipe) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);
  // What this process ignores or blocks is no affair of the program's.
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input < 0 || chdir(directory) != 0 || dup2(input, STDIN_FILENO) < 0 ||
      dup2(output_pipe, STDOUT_FILENO) < 0 || dup2(output_pipe, STDERR_FILENO) < 0) {
    Fail(error_pipe);
  }
  execvpe(arguments[0], arguments.data(), environment.data());
  Fail(error_pipe);
}

// 0, or the errno of what failed before the program began. Returns when it has begun.
int ReadError(int error_pipe) {
  int error = 0;
  ssize_t count = 0;
  do {
    count = read(error_pipe, &error, sizeof(error));
  } while (count < 0 && errno == EINTR);
  return count == sizeof(error) ? error : 0;
}

// Takes what is there now, without waiting. False: nobody will write any more.
bool ReadSome(int fd, size_t max_bytes, std::string* output) {
  char buffer[1 << 14];
  while (true) {
    const ssize_t count = read(fd, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    if (count == 0) return false;
    output->append(buffer, std::min<size_t>(count, max_bytes - output->size()));
  }
}

// Reads output until the process has ended, which it awaits; false if `deadline` came first.
bool AwaitEnd(int process, int output_pipe, absl::Time deadline, size_t max_output,
              std::string* output) {
  bool is_open = true;
  while (true) {
    pollfd events[] = {{process, POLLIN, 0}, {is_open ? output_pipe : -1, POLLIN, 0}};
    // Rounded up, so that the last look comes after the deadline.
    const int64_t left = absl::ToInt64Milliseconds(
        absl::Ceil(std::min(deadline - absl::Now(), absl::Hours(1)), absl::Milliseconds(1)));
    const int ready = poll(events, 2, static_cast<int>(std::max<int64_t>(left, 0)));
    if (ready < 0 && errno != EINTR) return false;
    if (ready > 0 && is_open && events[1].revents != 0) {
      is_open = ReadSome(output_pipe, max_output, output);
    }
    if (ready > 0 && events[0].revents != 0) return true;
    if (absl::Now() >= deadline) return false;
  }
}

}  // namespace

std::string SubprocessResult::Describe() const {
  return WIFSIGNALED(wait_status) ? absl::StrCat("was ended by ", strsignal(WTERMSIG(wait_status)))
                                  : absl::StrCat("exited with code ", WEXITSTATUS(wait_status));
}

absl::StatusOr<SubprocessResult> RunSubprocess(const SubprocessOptions& options) {
  const std::string& name = options.arguments.front();
  absl::StatusOr<FdPair> output = MakePipe();
  absl::StatusOr<FdPair> error = MakePipe();
  if (!output.ok() || !error.ok()) return output.ok() ? error.status() : output.status();
  fcntl(error->first.get(), F_SETFL, 0);  // ReadError() waits.

  const std::vector<char*> arguments = Pointers(options.arguments);
  const std::vector<char*> environment = Pointers(options.environment);
  const pid_t parent = getpid();
  const absl::Time start = absl::Now();
  const pid_t child = fork();
  if (child == 0) {
    Exec(arguments, environment, options.directory.c_str(), parent, output->second.get(),
         error->second.get());
  }
  if (child < 0) return absl::InternalError(absl::StrCat("cannot fork: ", strerror(errno)));
  output->second.reset();
  error->second.reset();
  setpgid(child, child);  // Whoever is first.
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  const int pidfd_error = errno;
  const int start_error = ReadError(error->first.get());

  SubprocessResult result;
  const bool has_ended =
      process && AwaitEnd(process.get(), output->first.get(), start + options.limit,
                          options.max_output_bytes, &result.output);
  result.wall_time = absl::Now() - start;
  // Before the child is reaped, so that the number still names its group.
  kill(-child, SIGKILL);
  while (waitpid(child, &result.wait_status, 0) < 0 && errno == EINTR) {
  }
  ReadSome(output->first.get(), options.max_output_bytes, &result.output);

  if (!process) {
    return absl::InternalError(absl::StrCat("cannot watch ", name, ": ", strerror(pidfd_error)));
  }
  if (start_error != 0) {
    const std::string message = absl::StrCat("cannot run ", name, ": ", strerror(start_error));
    return start_error == ENOENT ? absl::NotFoundError(message) : absl::InternalError(message);
  }
  if (!has_ended) {
    return absl::DeadlineExceededError(absl::StrCat(
        name, " was not done within ", absl::FormatDuration(options.limit), ": ", result.output));
  }
  return result;
}

}  // namespace holdfast
