#include "frontend/spawner/child_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "frontend/spawner/process_usage.h"

namespace holdfast {
namespace {

// What a child was about to do when it failed.
enum Step { kCgroup, kLimits, kDirectory, kDescriptors, kExecute, kSteps };
constexpr const char* kStepNames[kSteps] = {"entering the cgroup", "setrlimit", "chdir", "dup",
                                            "exec"};

// Through the pipe, from child to parent. Shorter than PIPE_BUF: read as a whole or not at all.
struct StartFailure {
  int step;
  int error;
};

constexpr int kFirstFreeFd = 4;

// As shells have it: 126 is a program that cannot be executed.
constexpr int kExitNotExecutable = 126;
constexpr int kExitOther = 125;

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

bool IsScript(int binary) {
  char start[2];
  return pread(binary, start, sizeof(start), 0) == 2 && start[0] == '#' && start[1] == '!';
}

// Runs in the child between fork and exec: system calls only. The spawner has one thread, so more
// would be legal, but a copy of the spawner has no business with its memory.
class Child {
 public:
  Child(const ChildRequest& request, char* const* arguments, char* const* environment, bool script,
        int failure_fd)
      : request_(request),
        arguments_(arguments),
        environment_(environment),
        script_(script),
        failure_fd_(failure_fd) {}

  [[noreturn]] void Run(pid_t parent) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);  // The spawner ended before prctl.
    // Best effort: without /proc the worker is as likely a victim as any.
    int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (oom >= 0) {
      if (write(oom, "1000", 4) < 0) {
        // As above.
      }
      close(oom);
    }
    for (const UniqueFd& entry : request_.cgroup_entries) {
      if (write(entry.get(), "0", 1) < 0) Fail(kCgroup);
    }
    rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    if (request_.file_bytes > 0) Limit(RLIMIT_FSIZE, request_.file_bytes);
    if (request_.data_bytes > 0) Limit(RLIMIT_DATA, request_.data_bytes);
    if (chdir(request_.working_directory.c_str()) != 0) Fail(kDirectory);
    ArrangeDescriptors();
    ResetSignals();
    execveat(binary_, "", arguments_, environment_, AT_EMPTY_PATH);
    Fail(kExecute);
  }

 private:
  [[noreturn]] void Fail(Step step) {
    StartFailure failure{step, errno};
    if (write(failure_fd_, &failure, sizeof(failure)) < 0) {
      // The spawner is gone, and so is this process.
    }
    _exit(step == kExecute ? kExitNotExecutable : kExitOther);
  }

  // A lower limit that was inherited stays.
  void Limit(decltype(RLIMIT_DATA) resource, int64_t bytes) {
    rlimit limit{};
    if (getrlimit(resource, &limit) != 0) Fail(kLimits);
    const auto wanted = static_cast<rlim_t>(bytes);
    if (limit.rlim_max > wanted) limit.rlim_max = wanted;
    if (limit.rlim_cur > wanted) limit.rlim_cur = wanted;
    if (setrlimit(resource, &limit) != 0) Fail(kLimits);
  }

  // A source below kFirstFreeFd could be overwritten before it is used.
  int Above(int fd) {
    if (fd >= kFirstFreeFd) return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, kFirstFreeFd);
    if (moved < 0) Fail(kDescriptors);
    return moved;
  }

  void ArrangeDescriptors() {
    failure_fd_ = Above(failure_fd_);
    binary_ = Above(request_.binary);
    int sources[] = {open("/dev/null", O_RDONLY | O_CLOEXEC), request_.stdout_fd,
                     request_.stderr_fd, request_.link};
    if (sources[0] < 0) Fail(kDescriptors);
    for (int& source : sources) source = Above(source);
    for (int i = 0; i < kFirstFreeFd; ++i) {
      if (dup2(sources[i], i) < 0) Fail(kDescriptors);  // Not CLOEXEC, unlike its source.
    }
    // All are made CLOEXEC; this is for one that was forgotten (and not in kernels before 5.11).
    close_range(kFirstFreeFd, UINT_MAX, CLOSE_RANGE_CLOEXEC);
    if (script_) fcntl(binary_, F_SETFD, 0);
  }

  void ResetSignals() {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &action, nullptr);
    // Sent to all processes of a service, these ask its front to reopen the logs.
    action.sa_handler = SIG_IGN;
    for (int signal : {SIGHUP, SIGUSR1}) sigaction(signal, &action, nullptr);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
  }

  const ChildRequest& request_;
  char* const* arguments_;
  char* const* environment_;
  bool script_;
  int failure_fd_;
  int binary_ = -1;
};

}  // namespace

absl::StatusOr<ChildProcess> StartChild(const ChildRequest& request) {
  auto pipe = MakePipe();
  if (!pipe.ok()) return pipe.status();
  std::vector<char*> arguments = Pointers(request.arguments);
  std::vector<char*> environment = Pointers(request.environment);
  Child child(request, arguments.data(), environment.data(), IsScript(request.binary),
              pipe->second.get());
  // A signal that arrives in the child before it has dropped the spawner's handlers would be
  // written to the spawner's loop, through the pipe that they share.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  pid_t parent = getpid();
  pid_t pid = _Fork();  // Without the fork handlers of libraries: the child only executes.
  int error = errno;
  if (pid == 0) child.Run(parent);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return absl::ResourceExhaustedError(absl::StrCat("fork: ", std::strerror(error)));
  setpgid(pid, pid);  // The child does so too: who comes first.
  return ChildProcess{pid, std::move(pipe->first)};
}

StartState ReadStartResult(int start_result, std::string* error) {
  StartFailure failure;
  ssize_t size = read(start_result, &failure, sizeof(failure));
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return StartState::kPending;
  if (size != sizeof(failure)) return StartState::kRunning;
  *error = absl::StrCat(kStepNames[failure.step % kSteps], ": ", std::strerror(failure.error));
  return StartState::kFailed;
}

std::vector<pid_t> ListChildren() {
  // There with CONFIG_PROC_CHILDREN, which is usual.
  FILE* file = std::fopen(absl::StrCat("/proc/self/task/", getpid(), "/children").c_str(), "re");
  std::vector<pid_t> children;
  if (file == nullptr) {
    for (const ProcessStat& process : ReadAllProcessStats()) {
      if (process.parent == getpid()) children.push_back(process.pid);
    }
    return children;
  }
  for (int pid; std::fscanf(file, "%d", &pid) == 1;) children.push_back(pid);
  std::fclose(file);
  return children;
}

}  // namespace holdfast
