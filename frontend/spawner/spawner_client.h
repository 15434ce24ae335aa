// The front's side of the spawner: real processes.
#ifndef HOLDFAST_FRONTEND_SPAWNER_SPAWNER_CLIENT_H_
#define HOLDFAST_FRONTEND_SPAWNER_SPAWNER_CLIENT_H_

#include <sys/types.h>

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "common/unique_fd.h"
#include "frontend/event_loop.h"
#include "frontend/process_spawner.h"
#include "frontend/spawner/cgroup.h"
#include "frontend/spawner/control_channel.h"
#include "frontend/spawner/fd_watcher.h"
#include "frontend/spawner/output_pipe.h"
#include "frontend/spawner/owned_path.h"
#include "frontend/spawner/process_usage.h"
#include "frontend/spawner/spawner_protocol.h"

namespace holdfast {

// Owns one spawner process, kills it if it is silent for some seconds, and starts another if it
// dies: then all workers have died with it, and each gets its on_exit. What is asked for meanwhile
// waits for the next one. Lives on the loop's thread, and ends before the loop does.
class SpawnerClient : public ProcessSpawner {
 public:
  // `executable`, borrowed for the call, is an open fd of a program that calls RunSpawner() when
  // started with kSpawnerRoleArgument: the program that this is. `use_cgroups`: limits on memory
  // and processes are enforced by cgroups where they can be made, in a tree named by this process's
  // pid: there is one such object in a process at a time. `patience`: for so long requests may wait
  // for a spawner that starts them; then they fail, and others at once until one has succeeded.
  SpawnerClient(EventLoop* loop, int executable, bool use_cgroups = true,
                absl::Duration patience = absl::Seconds(10));

  // Ends what still runs, without further callbacks, and waits for it: some seconds at worst.
  ~SpawnerClient() override;

  // Starts the first spawner, which should happen early: it inherits little, and guards paths.
  absl::Status Start();

  ProcessId Spawn(ProcessRequest request, Events events) override;
  void Kill(ProcessId id) override;
  ProcessCondition Look(ProcessId id) override;
  std::vector<absl::optional<ProcessUsage>> Measure(absl::Span<const ProcessId> processes,
                                                    bool whole_groups) override;

  // Fixed once Start() has returned.
  const LimitMechanisms& mechanisms() const { return mechanisms_; }

  // `path`, a directory (with all in it) or a Unix socket, goes when this object ends or this
  // process dies, however it does; unless something else is at the path by then. Register a socket
  // after its bind().
  absl::Status RemoveAtEnd(const std::string& path);

  // Ends all processes, with their on_exit, then the spawner, then calls `done`; after `timeout`
  // with force. Spawn() fails from now on. Once. `done` may destroy this object, other callbacks
  // may not.
  void Shutdown(absl::Duration timeout, absl::AnyInvocable<void()> done);

  // 0 while there is none.
  pid_t spawner_pid() const { return spawner_pid_; }

 private:
  struct Process {
    Events events;
    ProcessLimits limits;
    pid_t pid = 0;  // When it has started.
    std::unique_ptr<OutputPipe> out;
    std::unique_ptr<OutputPipe> err;
    UniqueFd pidfd;                   // When it has started, and the kernel has such.
    std::unique_ptr<FdWatcher> gone;  // After the spawner's end: watches the pidfd.
  };
  // A request for which there is no spawner yet. Holds two descriptors: `binary`, and the link.
  struct Waiting {
    ProcessId id;
    UniqueFd binary;
    ProcessRequest request;
  };

  absl::Status StartSpawner();
  absl::Status Launch();
  // Sends the request, or lets it wait.
  absl::Status Ask(ProcessId id, ProcessRequest request);
  absl::Status Send(ProcessId id, ProcessRequest request);
  void SendWaiting();
  void FailWaiting(const std::string& error);
  // Requests are held up, for want of a spawner that lives; from here on patience runs out.
  void OnHeldUp();
  // A spawner does its work.
  void OnServed();
  absl::Status OpenOutput(Process& process, UniqueFd* stdout_fd, UniqueFd* stderr_fd);
  void Tell(const ControlMessage& message);
  void OnMessage(absl::string_view bytes, std::vector<UniqueFd> fds);
  void OnStarted(const StartedMessage& message, std::vector<UniqueFd> fds);
  void OnSpawnerGone();
  void StartAgain();
  void Ping();
  // Left to the spawner by a worker that may still run.
  bool IsStray(const ProcessStat& process) const;
  absl::optional<ProcessUsage> UsageOf(ProcessId id, bool whole_group,
                                       const std::vector<ProcessStat>& members);
  static bool HasEnded(const Process& process);
  void AwaitEnd(ProcessId id);  // Of a process whose spawner is gone.
  void Finish(ProcessId id, const ProcessExit& exit);
  void FinishUnknown(ProcessId id, std::string error, bool spawner_lost = false);
  void FinishLater(ProcessId id, std::string error, bool spawner_lost = false);
  void FinishShutdown();
  void ReapSpawner();
  void RemoveOwned();

  EventLoop* const loop_;
  UniqueFd executable_;
  const bool use_cgroups_;
  Cgroups cgroups_;  // The tree of this service.
  LimitMechanisms mechanisms_;
  std::unique_ptr<ControlChannel> channel_;  // Null while there is no spawner.
  pid_t spawner_pid_ = 0;
  absl::Time spawner_started_;
  int failures_ = 0;           // Spawners in a row that did not live for long.
  std::string spawner_error_;  // Why the last one ended, or did not start.
  int silent_pings_ = 0;
  Clock::TimerId ping_timer_ = 0;
  Clock::TimerId restart_timer_ = 0;
  Clock::TimerId shutdown_timer_ = 0;
  std::deque<Waiting> waiting_;  // Empty while there is a spawner.
  const absl::Duration patience_;
  Clock::TimerId patience_timer_ = 0;  // Runs while requests are held up.
  bool is_patient_ = true;             // It has not run out.
  std::vector<OwnedPath> owned_;
  std::unordered_map<ProcessId, std::unique_ptr<Process>> processes_;
  ProcessId last_process_ = 0;
  bool ending_ = false;
  absl::AnyInvocable<void()> shutdown_done_;
  // Posted work holds it weakly, as this object may end before.
  std::shared_ptr<SpawnerClient*> self_ = std::make_shared<SpawnerClient*>(this);
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SPAWNER_SPAWNER_CLIENT_H_
