#include "frontend/spawner/spawner_client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <variant>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "common/roles.h"
#include "frontend/spawner/cgroup_tree.h"

extern char** environ;

namespace holdfast {
namespace {

// A spawner that lived so long ended for a reason of its own: the next one is started at once.
constexpr absl::Duration kLongLife = absl::Seconds(30);
constexpr absl::Duration kMinBackOff = absl::Milliseconds(100);
constexpr absl::Duration kMaxBackOff = absl::Seconds(5);
// Who paces requests never comes near.
constexpr size_t kMaxWaiting = 64;
constexpr int kDestructionTimeoutMs = 5000;
constexpr absl::Duration kMaxTreeRemoval = absl::Seconds(1);

// A spawner is taken to hang that has not said a word for so many pings. They are counted by our
// own loop: if the machine is too busy for that, time does not pass here either.
constexpr absl::Duration kPingInterval = absl::Seconds(1);
constexpr int kMaxSilentPings = 5;

constexpr char kShuttingDown[] = "the service is shutting down";
constexpr char kBinaryError[] = "dup of the binary";
constexpr char kSpawnerEnded[] = "the spawner process ended";

std::string NoSpawner(absl::string_view why) {
  return absl::StrCat("there is no spawner process: ", why);
}

constexpr const char* kMechanisms[] = {kWatchdog, "cgroup_v1", "cgroup_v2"};  // By version.

// Since Linux 6.9; unlike kill(2) it cannot hit a group that has the number by now.
#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP (1UL << 2)
#endif

// Fds from 10 on do not meet those that the spawner process is given.
UniqueFd Duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 10)); }

// Starts `executable` as a spawner on the other end of `control`. 0 or an errno.
int SpawnSpawner(int executable, int control, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, control, kSpawnerControlFd);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  // A session of its own from the start: the terminal's signals never reach it.
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string path = absl::StrCat("/proc/self/fd/", executable);
  std::string name = kSpawnerName;
  std::string role = kSpawnerRoleArgument;
  char* arguments[] = {name.data(), role.data(), nullptr};
  int error = posix_spawn(pid, path.c_str(), &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

SpawnerClient::SpawnerClient(EventLoop* loop, int executable, bool use_cgroups,
                             absl::Duration patience)
    : loop_(loop),
      executable_(Duplicate(executable)),
      use_cgroups_(use_cgroups),
      patience_(patience) {}

SpawnerClient::~SpawnerClient() {
  loop_->Cancel(ping_timer_);
  loop_->Cancel(restart_timer_);
  loop_->Cancel(patience_timer_);
  loop_->Cancel(shutdown_timer_);
  if (channel_ != nullptr) {
    channel_->CloseSending();
    channel_->DiscardUntilClosed(kDestructionTimeoutMs);
    ReapSpawner();
  }
  RemoveOwned();
}

absl::Status SpawnerClient::Start() {
  // Some launchers pass on an ignored SIGCHLD, and with it the kernel would reap the spawner: its
  // pid could be anybody's before we know.
  struct sigaction child;
  sigaction(SIGCHLD, nullptr, &child);
  if (child.sa_handler == SIG_IGN) signal(SIGCHLD, SIG_DFL);
  if (use_cgroups_) {
    const Cgroups own = FindCgroups(ReadCgroupFile("/proc/self", "cgroup"),
                                    ReadCgroupFile("/proc/self", "mountinfo"));
    RemoveStaleCgroupTrees(own);
    cgroups_ = MakeCgroupTree(own);
    mechanisms_ = {kMechanisms[cgroups_.memory.version], kMechanisms[cgroups_.pids.version]};
  }
  return StartSpawner();
}

absl::Status SpawnerClient::StartSpawner() {
  absl::Status launched = Launch();
  if (!launched.ok()) spawner_error_ = std::string(launched.message());
  return launched;
}

absl::Status SpawnerClient::Launch() {
  if (!executable_) return absl::ResourceExhaustedError("no descriptor of the executable");
  auto sockets = MakeControlSockets();
  if (!sockets.ok()) return sockets.status();
  UniqueFd theirs = Duplicate(sockets->second.get());
  if (!theirs) return absl::ResourceExhaustedError("dup of the control socket");
  sockets->second.reset();
  ControlChannel::Events events;
  events.on_message = [this](absl::string_view bytes, std::vector<UniqueFd> fds, bool) {
    OnMessage(bytes, std::move(fds));
  };
  events.on_closed = [this] { OnSpawnerGone(); };
  auto channel = ControlChannel::Create(loop_->uv(), std::move(sockets->first), std::move(events));
  if (channel == nullptr) return absl::InternalError("cannot watch the control socket");
  int error = SpawnSpawner(executable_.get(), theirs.get(), &spawner_pid_);
  if (error != 0) {
    spawner_pid_ = 0;
    return absl::ErrnoToStatus(error, "cannot start the spawner process");
  }
  channel_ = std::move(channel);
  spawner_started_ = loop_->Now();
  Tell(CgroupsMessage{cgroups_});
  for (const OwnedPath& owned : owned_) Tell(CleanupMessage{owned});
  silent_pings_ = 0;
  ping_timer_ = loop_->RunAfter(kPingInterval, [this] { Ping(); });
  SendWaiting();
  return absl::OkStatus();
}

ProcessId SpawnerClient::Spawn(ProcessRequest request, Events events) {
  ProcessId id = ++last_process_;
  auto process = std::make_unique<Process>();
  process->events = std::move(events);
  process->limits = request.limits;
  processes_[id] = std::move(process);
  absl::Status asked = Ask(id, std::move(request));
  if (!asked.ok()) FinishLater(id, std::string(asked.message()));
  return id;
}

absl::Status SpawnerClient::Ask(ProcessId id, ProcessRequest request) {
  if (ending_) return absl::UnavailableError(kShuttingDown);
  if (channel_ != nullptr) return Send(id, std::move(request));
  if (!is_patient_ || waiting_.size() >= kMaxWaiting) {
    return absl::UnavailableError(NoSpawner(spawner_error_));
  }
  UniqueFd binary = Duplicate(request.binary);  // Borrowed for this call only.
  if (!binary) return absl::ErrnoToStatus(errno, kBinaryError);
  waiting_.push_back({id, std::move(binary), std::move(request)});
  OnHeldUp();
  return absl::OkStatus();
}

void SpawnerClient::SendWaiting() {
  for (Waiting& one : std::exchange(waiting_, {})) {
    one.request.binary = one.binary.get();
    absl::Status sent = Send(one.id, std::move(one.request));
    if (!sent.ok()) FinishLater(one.id, std::string(sent.message()));
  }
}

void SpawnerClient::FailWaiting(const std::string& error) {
  for (const Waiting& one : std::exchange(waiting_, {})) FinishLater(one.id, error);
}

void SpawnerClient::OnHeldUp() {
  if (patience_timer_ != 0 || !is_patient_) return;
  patience_timer_ = loop_->RunAfter(patience_, [this] {
    patience_timer_ = 0;
    is_patient_ = false;
    FailWaiting(NoSpawner(spawner_error_));
  });
}

void SpawnerClient::OnServed() {
  loop_->Cancel(std::exchange(patience_timer_, 0));
  is_patient_ = true;
}

absl::Status SpawnerClient::Send(ProcessId id, ProcessRequest request) {
  auto bytes = EncodeControlMessage(
      SpawnMessage{id, std::move(request.arguments), std::move(request.environment),
                   std::move(request.working_directory), request.limits});
  if (!bytes.ok()) return bytes.status();
  std::vector<UniqueFd> fds(kSpawnFds);
  fds[kBinaryFd] = Duplicate(request.binary);
  if (!fds[kBinaryFd]) {
    return absl::ErrnoToStatus(errno, kBinaryError);
  }
  if (!request.link) return absl::InvalidArgumentError("no link");
  fds[kLinkFd] = std::move(request.link);
  absl::Status opened = OpenOutput(*processes_[id], &fds[kStdoutFd], &fds[kStderrFd]);
  if (!opened.ok()) return opened;
  channel_->Send(*std::move(bytes), std::move(fds), [this, id](int error) {
    FinishLater(id, absl::StrCat("cannot ask the spawner process: ", std::strerror(error)));
  });
  return absl::OkStatus();
}

absl::Status SpawnerClient::OpenOutput(Process& process, UniqueFd* stdout_fd, UniqueFd* stderr_fd) {
  for (bool is_stderr : {false, true}) {
    auto pipe = MakePipe();
    if (!pipe.ok()) return pipe.status();
    auto output = OutputPipe::Create(loop_->uv(), std::move(pipe->first),
                                     [&process, is_stderr](absl::string_view bytes) {
                                       if (process.events.on_output)
                                         process.events.on_output(is_stderr, bytes);
                                     });
    if (output == nullptr) return absl::ResourceExhaustedError("cannot watch a pipe");
    (is_stderr ? process.err : process.out) = std::move(output);
    *(is_stderr ? stderr_fd : stdout_fd) = std::move(pipe->second);
  }
  return absl::OkStatus();
}

void SpawnerClient::Kill(ProcessId id) {
  if (processes_.count(id) == 0) return;
  const auto waiting = absl::c_find_if(waiting_, [id](const Waiting& one) { return one.id == id; });
  if (waiting == waiting_.end()) return Tell(KillMessage{id});
  waiting_.erase(waiting);
  FinishLater(id, "killed while it waited for a spawner process");
}

void SpawnerClient::Tell(const ControlMessage& message) {
  if (channel_ == nullptr) return;
  auto bytes = EncodeControlMessage(message);
  if (bytes.ok()) channel_->Send(*std::move(bytes), {}, nullptr);
}

void SpawnerClient::Ping() {
  ping_timer_ = 0;
  if (++silent_pings_ > kMaxSilentPings) {
    kill(spawner_pid_, SIGKILL);  // Not reaped. OnSpawnerGone follows.
    return;
  }
  Tell(PingMessage{});
  ping_timer_ = loop_->RunAfter(kPingInterval, [this] { Ping(); });
}

std::vector<absl::optional<ProcessUsage>> SpawnerClient::Measure(
    absl::Span<const ProcessId> processes, bool whole_groups) {
  std::vector<Cgroups> cgroups(processes.size());
  std::vector<pid_t> leaders(processes.size());  // 0: it is not asked for by its group.
  for (size_t i = 0; i < processes.size(); ++i) {
    auto found = processes_.find(processes[i]);
    if (found == processes_.end()) continue;
    cgroups[i] = WorkerCgroups(cgroups_, processes[i], found->second->limits);
    if (whole_groups && !cgroups[i]) leaders[i] = found->second->pid;
  }
  std::vector<std::vector<ProcessStat>> members(processes.size());
  int64_t strays = 0;
  if (absl::c_any_of(leaders, [](pid_t pid) { return pid != 0; })) {
    const std::vector<ProcessStat> all = ReadAllProcessStats();
    members = GroupByLeader(all, leaders);
    strays = absl::c_count_if(all, [this](const ProcessStat& process) { return IsStray(process); });
  }
  std::vector<absl::optional<ProcessUsage>> usages;
  for (size_t i = 0; i < processes.size(); ++i) {
    if (whole_groups && cgroups[i]) members[i] = ReadProcessStats(ListCgroup(cgroups[i]));
    usages.push_back(UsageOf(processes[i], whole_groups, members[i]));
    if (!usages.back()) continue;
    if (whole_groups && !cgroups[i]) usages.back()->others += strays;
    const LimitEvidence evidence = ReadLimitEvidence(cgroups[i]);
    usages.back()->memory_limit_hit = evidence.memory_limit_hit;
    usages.back()->process_limit_hit = evidence.process_limit_hit;
  }
  return usages;
}

bool SpawnerClient::IsStray(const ProcessStat& process) const {
  return process.parent == spawner_pid_ && process.alive() &&
         absl::c_none_of(processes_,
                         [&](const auto& known) { return known.second->pid == process.pid; });
}

absl::optional<ProcessUsage> SpawnerClient::UsageOf(ProcessId id, bool whole_group,
                                                    const std::vector<ProcessStat>& members) {
  auto found = processes_.find(id);
  if (found == processes_.end() || found->second->pid == 0) return absl::nullopt;
  const Process& process = *found->second;
  const auto self = ReadProcessStat(process.pid);
  // Asked last: what was read before was not another's that has the pid by now.
  if (!self || HasEnded(process) || (!process.pidfd && !self->alive())) return absl::nullopt;
  if (whole_group) {
    ProcessUsage usage = SumUsage(members, process.limits.memory_bytes);
    usage.others = absl::c_count_if(members, [&process](const ProcessStat& member) {
      return member.alive() && member.pid != process.pid;
    });
    return usage;
  }
  ProcessUsage usage = SumUsage({*self}, /*memory_limit=*/0);
  usage.processes = 0;
  return usage;
}

absl::Status SpawnerClient::RemoveAtEnd(const std::string& path) {
  auto owned = IdentifyPath(path);
  if (!owned.ok()) return owned.status();
  auto bytes = EncodeControlMessage(CleanupMessage{*owned});
  if (!bytes.ok()) return bytes.status();
  owned_.push_back(*std::move(owned));
  Tell(CleanupMessage{owned_.back()});
  return absl::OkStatus();
}

void SpawnerClient::OnMessage(absl::string_view bytes, std::vector<UniqueFd> fds) {
  silent_pings_ = 0;
  auto message = DecodeControlMessage(bytes);
  if (!message.ok()) return;
  if (!std::holds_alternative<PingMessage>(*message)) OnServed();
  if (auto* started = std::get_if<StartedMessage>(&*message)) {
    OnStarted(*started, std::move(fds));
  } else if (auto* exited = std::get_if<ExitedMessage>(&*message)) {
    ProcessExit exit;
    exit.known = exited->error.empty();
    exit.error = exited->error;
    if (WIFSIGNALED(exited->wait_status)) exit.signal = WTERMSIG(exited->wait_status);
    if (WIFEXITED(exited->wait_status)) exit.exit_code = WEXITSTATUS(exited->wait_status);
    exit.peak_rss_bytes = exited->peak_rss_bytes;
    exit.cpu_seconds = static_cast<double>(exited->cpu_micros) / 1e6;
    exit.memory_limit_hit = exited->memory_limit_hit;
    exit.process_limit_hit = exited->process_limit_hit;
    Finish(exited->process, exit);
  }
}

void SpawnerClient::OnStarted(const StartedMessage& message, std::vector<UniqueFd> fds) {
  auto found = processes_.find(message.process);
  if (found == processes_.end()) return;
  found->second->pid = message.pid;
  if (!fds.empty()) found->second->pidfd = std::move(fds[0]);
  auto& on_started = found->second->events.on_started;
  if (on_started) on_started(message.pid);
}

void SpawnerClient::OnSpawnerGone() {
  loop_->Cancel(std::exchange(ping_timer_, 0));
  channel_.reset();
  spawner_error_ = kSpawnerEnded;
  ReapSpawner();
  std::vector<ProcessId> lost;
  for (const auto& [id, process] : processes_) {
    if (process->gone == nullptr) lost.push_back(id);
  }
  std::sort(lost.begin(), lost.end());
  if (loop_->Now() - spawner_started_ > kLongLife) failures_ = 0;
  // First, so that who is told of an exit can start the next process.
  if (!ending_) StartAgain();
  for (ProcessId id : lost) AwaitEnd(id);
  FinishShutdown();
}

void SpawnerClient::StartAgain() {
  if (++failures_ == 1 && StartSpawner().ok()) return;
  absl::Duration back_off = std::min(kMaxBackOff, kMinBackOff * (1 << std::min(failures_, 10)));
  restart_timer_ = loop_->RunAfter(back_off, [this] {
    restart_timer_ = 0;
    if (!StartSpawner().ok()) StartAgain();
  });
}

void SpawnerClient::AwaitEnd(ProcessId id) {
  auto found = processes_.find(id);
  if (found == processes_.end()) return;
  Process& process = *found->second;
  // One that has not started may yet have been the end of its spawner, and of each that follows.
  const bool is_excused = process.pid != 0 || is_patient_;
  if (process.pid == 0) OnHeldUp();
  // The kernel kills the process itself when its spawner ends. Its group only if the kernel can.
  if (process.pidfd) {
    syscall(SYS_pidfd_send_signal, process.pidfd.get(), SIGKILL, nullptr,
            PIDFD_SIGNAL_PROCESS_GROUP);
    process.gone = FdWatcher::Create(loop_->uv(), process.pidfd.get(), [this, id](int) {
      FinishUnknown(id, kSpawnerEnded, /*spawner_lost=*/true);
    });
  }
  if (process.gone == nullptr) return FinishLater(id, kSpawnerEnded, is_excused);
  process.gone->Watch(UV_READABLE);
}

ProcessCondition SpawnerClient::Look(ProcessId id) {
  auto found = processes_.find(id);
  if (found == processes_.end()) return ProcessCondition::kEnded;
  const Process& process = *found->second;
  const auto stat = process.pid == 0 ? absl::nullopt : ReadProcessStat(process.pid);
  // Asked last, as above.
  if (HasEnded(process)) return ProcessCondition::kEnded;
  return stat && stat->stopped() ? ProcessCondition::kStopped : ProcessCondition::kRuns;
}

bool SpawnerClient::HasEnded(const Process& process) {
  pollfd ended{process.pidfd.get(), POLLIN, 0};  // Without a pidfd, poll() ignores it.
  return poll(&ended, 1, /*timeout=*/0) > 0;
}

void SpawnerClient::Finish(ProcessId id, const ProcessExit& exit) {
  auto found = processes_.find(id);
  if (found == processes_.end()) return;
  std::unique_ptr<Process> process = std::move(found->second);
  processes_.erase(found);
  for (OutputPipe* output : {process->out.get(), process->err.get()}) {
    if (output != nullptr) output->Drain();
  }
  if (process->events.on_exit) process->events.on_exit(exit);
  process.reset();
  FinishShutdown();
}

void SpawnerClient::FinishUnknown(ProcessId id, std::string error, bool spawner_lost) {
  ProcessExit exit;
  exit.spawner_lost = spawner_lost;
  exit.error = std::move(error);
  Finish(id, exit);
}

void SpawnerClient::FinishLater(ProcessId id, std::string error, bool spawner_lost) {
  loop_->Post(
      [self = std::weak_ptr<SpawnerClient*>(self_), id, spawner_lost, error = std::move(error)] {
        if (auto alive = self.lock()) (*alive)->FinishUnknown(id, error, spawner_lost);
      });
}

void SpawnerClient::Shutdown(absl::Duration timeout, absl::AnyInvocable<void()> done) {
  ending_ = true;
  shutdown_done_ = std::move(done);
  loop_->Cancel(std::exchange(ping_timer_, 0));
  loop_->Cancel(std::exchange(restart_timer_, 0));
  loop_->Cancel(std::exchange(patience_timer_, 0));
  FailWaiting(kShuttingDown);
  if (channel_ == nullptr) {
    loop_->Post([self = std::weak_ptr<SpawnerClient*>(self_)] {
      if (auto alive = self.lock()) (*alive)->FinishShutdown();
    });
    return;
  }
  channel_->CloseSending();  // The spawner kills, reports, removes, and ends.
  // Not reaped, so the pid is its own; its workers die with it.
  shutdown_timer_ = loop_->RunAfter(timeout, [this] { kill(spawner_pid_, SIGKILL); });
}

void SpawnerClient::FinishShutdown() {
  if (!ending_ || channel_ != nullptr || !processes_.empty() || !shutdown_done_) return;
  loop_->Cancel(std::exchange(shutdown_timer_, 0));
  RemoveOwned();
  std::exchange(shutdown_done_, nullptr)();
}

void SpawnerClient::ReapSpawner() {
  // Its end of the socket is closed, so it is ending; or it is late, and must.
  kill(spawner_pid_, SIGKILL);
  while (waitpid(spawner_pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  spawner_pid_ = 0;
}

// The spawner has done so, unless it was killed before it came to that.
void SpawnerClient::RemoveOwned() {
  for (const OwnedPath& owned : owned_) RemoveOwnedPath(owned);
  owned_.clear();
  if (cgroups_) RemoveCgroupTree(std::exchange(cgroups_, {}), kMaxTreeRemoval);
}

}  // namespace holdfast
