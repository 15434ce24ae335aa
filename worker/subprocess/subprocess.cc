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
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>

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

// Why there is no program.
struct StartError {
  int error = 0;  // An errno; 0: there is one.
  bool is_of_directory = false;
};

[[noreturn]] void Fail(int error_pipe, bool is_of_directory = false) {
  const StartError error = {errno, is_of_directory};
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
  if (chdir(directory) != 0) Fail(error_pipe, /*is_of_directory=*/true);
  if (input < 0 || dup2(input, STDIN_FILENO) < 0 || dup2(output_pipe, STDOUT_FILENO) < 0 ||
      dup2(output_pipe, STDERR_FILENO) < 0) {
    Fail(error_pipe);
  }
  execvpe(arguments[0], arguments.data(), environment.data());
  Fail(error_pipe);
}

// Returns when the program has begun, or it is known why it does not.
StartError ReadError(int error_pipe) {
  StartError error;
  ssize_t count = 0;
  do {
    count = read(error_pipe, &error, sizeof(error));
  } while (count < 0 && errno == EINTR);
  return count == sizeof(error) ? error : StartError();
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

// Of this process, dead ones too.
std::set<pid_t> Children() {
  std::set<pid_t> children;
  std::error_code ignored;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    std::ifstream list(thread.path() / "children");
    for (pid_t child = 0; list >> child;) children.insert(child);
  }
  return children;
}

// While there is one, processes whose parents end become this process's children.
class AdoptsOrphans {
 public:
  AdoptsOrphans() { prctl(PR_SET_CHILD_SUBREAPER, 1); }
  ~AdoptsOrphans() { prctl(PR_SET_CHILD_SUBREAPER, 0); }
  AdoptsOrphans(const AdoptsOrphans&) = delete;
  AdoptsOrphans& operator=(const AdoptsOrphans&) = delete;
};

// What a program left that left its group, and what that leaves in turn. Bounded: who starts
// processes faster than we kill them is ended with the worker.
void KillChildrenBut(const std::set<pid_t>& kept) {
  for (int round = 0; round < 1000; ++round) {
    bool are_left = false;
    for (const pid_t child : Children()) {
      if (kept.count(child) != 0) continue;
      are_left = true;
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
    if (!are_left) return;
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
  const std::set<pid_t> children_before = Children();
  const AdoptsOrphans adopts_orphans;
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
  const StartError start_error = ReadError(error->first.get());
  const absl::Time begun = absl::Now();  // A large process takes long to fork: no time of theirs.

  SubprocessResult result;
  const bool has_ended =
      process && AwaitEnd(process.get(), output->first.get(), start + options.limit,
                          options.max_output_bytes, &result.output);
  result.wall_time = absl::Now() - begun;
  // Before the child is reaped, so that the number still names its group.
  kill(-child, SIGKILL);
  while (waitpid(child, &result.wait_status, 0) < 0 && errno == EINTR) {
  }
  KillChildrenBut(children_before);
  ReadSome(output->first.get(), options.max_output_bytes, &result.output);

  if (!process) {
    return absl::InternalError(absl::StrCat("cannot watch ", name, ": ", strerror(pidfd_error)));
  }
  if (start_error.is_of_directory) {
    return absl::InternalError(
        absl::StrCat("cannot enter ", options.directory, ": ", strerror(start_error.error)));
  }
  if (start_error.error != 0) {
    const std::string message =
        absl::StrCat("cannot run ", name, ": ", strerror(start_error.error));
    return start_error.error == ENOENT ? absl::NotFoundError(message)
                                       : absl::InternalError(message);
  }
  if (!has_ended) {
    return absl::DeadlineExceededError(absl::StrCat(
        name, " was not done within ", absl::FormatDuration(options.limit), ": ", result.output));
  }
  return result;
}

}  // namespace holdfast
