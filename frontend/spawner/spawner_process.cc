#include "frontend/spawner/spawner_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/config.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "common/roles.h"
#include "common/unique_fd.h"
#include "frontend/event_loop.h"
#include "frontend/spawner/cgroup.h"
#include "frontend/spawner/cgroup_tree.h"
#include "frontend/spawner/child_process.h"
#include "frontend/spawner/control_channel.h"
#include "frontend/spawner/fd_watcher.h"
#include "frontend/spawner/owned_path.h"
#include "frontend/spawner/spawner_protocol.h"

namespace holdfast {
namespace {

// Processes that were killed are usually gone within a millisecond; one that hangs in the kernel
// delays the news of others, or the end, by no more than this.
constexpr absl::Duration kMaxReportDelay = absl::Milliseconds(500);
constexpr absl::Duration kMaxEnd = absl::Seconds(10);
constexpr absl::Duration kMaxTreeRemoval = absl::Seconds(1);
// The kernel does not tell when a cgroup becomes empty, so it is looked at again after this, and
// seldom when nobody waits for it any more.
constexpr absl::Duration kSweepDelay = absl::Milliseconds(3);
constexpr absl::Duration kLateSweepDelay = absl::Seconds(1);

// How much private memory a worker may have whose limit nobody enforces but a watchdog that looks
// now and then: enough not to be met by one that is within its limit. Sanitizers use address space
// without measure.
#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(ABSL_HAVE_THREAD_SANITIZER)
constexpr bool kLimitsData = false;
#else
constexpr bool kLimitsData = true;
#endif
constexpr int64_t kDataReserve = int64_t{1} << 30;

int64_t DataBytes(const ProcessLimits& limits, bool is_enforced) {
  if (!kLimitsData || is_enforced || limits.memory_bytes <= 0) return 0;
  return std::min(limits.memory_bytes, (INT64_MAX - kDataReserve) / 2) * 2 + kDataReserve;
}

int64_t Micros(const timeval& time) { return time.tv_sec * int64_t{1'000'000} + time.tv_usec; }

class Spawner {
 public:
  explicit Spawner(int control_fd);
  int Run();

 private:
  // The cgroups of a worker. `evidence` is from before the first kill, after which nothing more can
  // be started in them, and what they tell of refused starts is our doing.
  struct Confinement {
    Cgroups cgroups;
    bool is_sealed = false;
    LimitEvidence evidence;
  };
  struct Worker {
    uint64_t process = 0;
    pid_t pid = 0;
    Confinement confinement;
    UniqueFd start_result;                // Open as long as it is not known whether it started.
    std::unique_ptr<FdWatcher> starting;  // Watches that.
    std::string start_error;
  };
  // What an ended worker leaves: its cgroups, and until it is sent the report of its end, which
  // waits for the end of all that it left, or until `report_by`.
  struct Remains {
    absl::optional<ExitedMessage> exited;
    absl::Time report_by;
    Confinement confinement;
  };

  void OnMessage(absl::string_view bytes, const std::vector<UniqueFd>& fds, bool fds_lost);
  void Start(const SpawnMessage& message, const std::vector<UniqueFd>& fds, bool fds_lost);
  void Kill(Worker& worker);
  static void Kill(Confinement& confinement);
  void OnFrontGone();

  void OnCgroups(CgroupsMessage message);
  static absl::StatusOr<ChildProcess> StartConfined(const SpawnMessage& message,
                                                    const std::vector<UniqueFd>& fds,
                                                    const Cgroups& cgroups);

  // The worker's program runs, or it is known why not.
  void OnStartResult(Worker& worker);
  // Reaps what has ended, kills what it left behind, and reports.
  void OnChildren();
  void Reap(pid_t pid);
  // True if there are children that no worker is the parent of any more. They are killed.
  bool SweepStrays();
  // Kills what is left in the cgroups of ended workers, and removes them. True if some are left.
  bool SweepCgroups();
  // Reports what need not wait any longer, and forgets what is done. True if some reports wait.
  bool ReportExits(bool strays);

  void Fail(uint64_t process, std::string error);
  void Send(const ControlMessage& message, std::vector<UniqueFd> fds = {});

  EventLoop loop_;
  std::unique_ptr<ControlChannel> control_;
  std::unordered_map<pid_t, Worker> workers_;  // Started and not reaped.
  std::unordered_map<uint64_t, pid_t> pids_;   // Of the same.
  std::vector<Remains> remains_;               // In the order of their ends.
  Cgroups tree_;
  Clock::TimerId sweep_timer_ = 0;
  std::vector<OwnedPath> owned_;
  bool ending_ = false;
};

Spawner::Spawner(int control_fd) {
  ControlChannel::Events events;
  events.on_message = [this](absl::string_view bytes, const std::vector<UniqueFd>& fds,
                             bool fds_lost) { OnMessage(bytes, fds, fds_lost); };
  events.on_closed = [this] { OnFrontGone(); };
  control_ = ControlChannel::Create(loop_.uv(), UniqueFd(control_fd), std::move(events));
  loop_.OnSignal(SIGCHLD, [this] { OnChildren(); });
}

int Spawner::Run() {
  if (control_ == nullptr) return 1;
  loop_.Run();
  for (const OwnedPath& owned : owned_) RemoveOwnedPath(owned);
  if (tree_) RemoveCgroupTree(tree_, kMaxTreeRemoval);
  return 0;
}

void Spawner::OnMessage(absl::string_view bytes, const std::vector<UniqueFd>& fds, bool fds_lost) {
  auto message = DecodeControlMessage(bytes);
  if (!message.ok()) return;
  if (auto* spawn = std::get_if<SpawnMessage>(&*message)) {
    Start(*spawn, fds, fds_lost);
  } else if (auto* kill = std::get_if<KillMessage>(&*message)) {
    auto found = pids_.find(kill->process);
    if (found != pids_.end()) Kill(workers_[found->second]);
  } else if (auto* cleanup = std::get_if<CleanupMessage>(&*message)) {
    owned_.push_back(std::move(cleanup->owned));
  } else if (auto* cgroups = std::get_if<CgroupsMessage>(&*message)) {
    OnCgroups(std::move(*cgroups));
  } else if (auto* ping = std::get_if<PingMessage>(&*message)) {
    Send(*ping);
  }
}

void Spawner::OnCgroups(CgroupsMessage message) {
  tree_ = std::move(message.tree);
  for (Cgroups& left : ListWorkerCgroups(tree_)) {
    remains_.emplace_back().confinement.cgroups = std::move(left);
  }
  OnChildren();
}

absl::StatusOr<ChildProcess> Spawner::StartConfined(const SpawnMessage& message,
                                                    const std::vector<UniqueFd>& fds,
                                                    const Cgroups& cgroups) {
  const absl::Status made = MakeCgroups(cgroups, message.limits);
  if (!made.ok()) return made;
  auto entries = OpenCgroupEntries(cgroups);
  if (!entries.ok()) return entries.status();
  return StartChild({message.arguments, message.environment, message.working_directory,
                     fds[kBinaryFd].get(), fds[kLinkFd].get(), fds[kStdoutFd].get(),
                     fds[kStderrFd].get(), *entries, message.limits.file_bytes,
                     DataBytes(message.limits, static_cast<bool>(cgroups.memory))});
}

void Spawner::Start(const SpawnMessage& message, const std::vector<UniqueFd>& fds, bool fds_lost) {
  if (pids_.count(message.process) != 0) return;
  if (fds_lost) return Fail(message.process, "the spawner process is out of file descriptors");
  if (fds.size() != kSpawnFds) return Fail(message.process, "malformed request");
  Cgroups cgroups = WorkerCgroups(tree_, message.process, message.limits);
  auto child = StartConfined(message, fds, cgroups);
  if (!child.ok()) {
    RemoveCgroups(cgroups);
    return Fail(message.process, std::string(child.status().message()));
  }
  Worker& worker = workers_[child->pid];
  worker.confinement.cgroups = std::move(cgroups);
  worker.process = message.process;
  worker.pid = child->pid;
  worker.start_result = std::move(child->start_result);
  pids_[message.process] = child->pid;
  worker.starting = FdWatcher::Create(loop_.uv(), worker.start_result.get(),
                                      [this, &worker](int) { OnStartResult(worker); });
  if (worker.starting != nullptr) {
    worker.starting->Watch(UV_READABLE);
  } else {
    worker.start_error = "the spawner process cannot watch the start";
    Kill(worker);
  }
}

// Both signals reach only what they are meant for: the worker is not reaped, so its pid is its own,
// and nobody else can have made a group of that number.
void Spawner::Kill(Worker& worker) {
  kill(worker.pid, SIGKILL);
  kill(-worker.pid, SIGKILL);
  Kill(worker.confinement);
}

void Spawner::Kill(Confinement& confinement) {
  if (!confinement.cgroups) return;
  if (!std::exchange(confinement.is_sealed, true)) {
    confinement.evidence = ReadLimitEvidence(confinement.cgroups);
  }
  KillCgroups(confinement.cgroups);
}

void Spawner::OnFrontGone() {
  ending_ = true;
  for (auto& [pid, worker] : workers_) Kill(worker);
  loop_.RunAfter(kMaxEnd, [this] { loop_.Stop(); });
  OnChildren();
}

void Spawner::OnStartResult(Worker& worker) {
  std::string error;
  switch (ReadStartResult(worker.start_result.get(), &error)) {
    case StartState::kPending:
      return;
    case StartState::kFailed:
      worker.start_error = std::move(error);  // Reported when it is reaped.
      break;
    case StartState::kRunning: {
      std::vector<UniqueFd> fds;
      // A name for the process that stays its own, for the front to hold.
      int pidfd = static_cast<int>(syscall(SYS_pidfd_open, worker.pid, 0));
      if (pidfd >= 0) fds.emplace_back(pidfd);
      Send(StartedMessage{worker.process, worker.pid}, std::move(fds));
      break;
    }
  }
  worker.starting.reset();
  worker.start_result.reset();
}

void Spawner::OnChildren() {
  for (;;) {
    siginfo_t info{};
    // Not reaped yet: as long as it is a zombie, its pid names nothing else.
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) break;
    Reap(info.si_pid);
  }
  const bool strays = SweepStrays();
  const bool cgroups = SweepCgroups();
  const bool reports = ReportExits(strays);
  loop_.Cancel(std::exchange(sweep_timer_, 0));
  if (reports || cgroups) {
    sweep_timer_ = loop_.RunAfter(reports || ending_ ? kSweepDelay : kLateSweepDelay, [this] {
      sweep_timer_ = 0;
      OnChildren();
    });
  }
  if (ending_ && !strays && !cgroups && workers_.empty()) loop_.Stop();
}

void Spawner::Reap(pid_t pid) {
  auto found = workers_.find(pid);
  if (found != workers_.end()) {
    if (found->second.start_result) OnStartResult(found->second);
    Kill(found->second);  // Its group: what it leaves behind.
  }
  int status = 0;
  rusage usage{};
  wait4(pid, &status, WNOHANG, &usage);
  if (found == workers_.end()) return;  // A stray.
  ExitedMessage exited;
  exited.process = found->second.process;
  exited.error = std::move(found->second.start_error);
  exited.wait_status = status;
  exited.peak_rss_bytes = usage.ru_maxrss * int64_t{1024};
  exited.cpu_micros = Micros(usage.ru_utime) + Micros(usage.ru_stime);
  remains_.push_back(
      {std::move(exited), loop_.Now() + kMaxReportDelay, std::move(found->second.confinement)});
  pids_.erase(found->second.process);
  workers_.erase(found);
}

bool Spawner::SweepStrays() {
  bool strays = false;
  for (pid_t pid : ListChildren()) {
    if (workers_.count(pid) != 0) continue;
    kill(pid, SIGKILL);  // Our child and not reaped: the pid is its own. SIGCHLD tells when.
    strays = true;
  }
  return strays;
}

bool Spawner::SweepCgroups() {
  bool left = false;
  for (Remains& one : remains_) {
    Confinement& confinement = one.confinement;
    if (!confinement.cgroups) continue;
    Kill(confinement);
    if (one.exited) {
      one.exited->memory_limit_hit = confinement.evidence.memory_limit_hit;
      one.exited->process_limit_hit = confinement.evidence.process_limit_hit;
      if (confinement.evidence.memory_limit_hit) {
        one.exited->peak_rss_bytes =
            std::max(one.exited->peak_rss_bytes, confinement.evidence.peak_memory_bytes);
      }
    }
    if (RemoveCgroups(confinement.cgroups)) {
      confinement.cgroups = {};
    } else {
      left = true;
    }
  }
  return left;
}

bool Spawner::ReportExits(bool strays) {
  bool waiting = false;
  for (Remains& one : remains_) {
    if (!one.exited) continue;
    const bool all_gone = !strays && !one.confinement.cgroups;
    if (!all_gone && loop_.Now() < one.report_by) {
      waiting = true;
      continue;
    }
    Send(*one.exited);
    one.exited.reset();
  }
  remains_.erase(
      std::remove_if(remains_.begin(), remains_.end(),
                     [](const Remains& one) { return !one.exited && !one.confinement.cgroups; }),
      remains_.end());
  return waiting;
}

void Spawner::Fail(uint64_t process, std::string error) {
  ExitedMessage exited;
  exited.process = process;
  exited.error = std::move(error);
  Send(exited);
}

void Spawner::Send(const ControlMessage& message, std::vector<UniqueFd> fds) {
  auto bytes = EncodeControlMessage(message);
  if (bytes.ok()) control_->Send(*std::move(bytes), std::move(fds), nullptr);
}

// Descriptors 0 to 3 are taken for good, so that nothing received later lands there, and the rest
// of what the front had open is closed.
void OccupyLowDescriptors() {
  for (;;) {
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    if (fd > kSpawnerControlFd) {
      close(fd);
      break;
    }
  }
  close_range(kSpawnerControlFd + 1, UINT_MAX, 0);
}

}  // namespace

int RunSpawner(int control_fd) {
  // Ctrl-C in the terminal, and a TERM or a call to reopen logs to the whole service, are the
  // front's business: the spawner ends when the front has, and not before.
  setsid();
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE, SIGXFSZ})
    ::signal(signal, SIG_IGN);
  prctl(PR_SET_NAME, kSpawnerName);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  // One that is stopped when the front dies must go on, to clean up. If the front is dead already,
  // its end of the socket is closed.
  prctl(PR_SET_PDEATHSIG, SIGCONT);
  if (control_fd != kSpawnerControlFd) dup2(control_fd, kSpawnerControlFd);
  fcntl(kSpawnerControlFd, F_SETFD, FD_CLOEXEC);
  OccupyLowDescriptors();
  return Spawner(kSpawnerControlFd).Run();
}

}  // namespace holdfast
