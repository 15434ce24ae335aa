// The front's side of the spawner: real processes.
#ifndef HOLDFAST_FRONTEND_SPAWNER_SPAWNER_CLIENT_H_
#define HOLDFAST_FRONTEND_SPAWNER_SPAWNER_CLIENT_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/unique_fd.h"
#include "frontend/event_loop.h"
#include "frontend/process_spawner.h"
#include "frontend/spawner/control_channel.h"
#include "frontend/spawner/fd_watcher.h"
#include "frontend/spawner/output_pipe.h"
#include "frontend/spawner/owned_path.h"
#include "frontend/spawner/spawner_protocol.h"

namespace holdfast {

// Owns one spawner process, and starts another if it dies: then all workers have died with it, and
// each gets its on_exit. Lives on the loop's thread, and ends before the loop does.
class SpawnerClient : public ProcessSpawner {
 public:
  // `executable`, borrowed for the call, is an open fd of a program that calls RunSpawner() when
  // started with kSpawnerRoleArgument: the program that this is.
  SpawnerClient(EventLoop* loop, int executable);

  // Ends what still runs, without further callbacks, and waits for it: some seconds at worst.
  ~SpawnerClient() override;

  // Starts the first spawner, which should happen early: it inherits little, and guards paths.
  absl::Status Start();

  ProcessId Spawn(ProcessRequest request, Events events) override;
  void Kill(ProcessId id) override;
  bool HasEnded(ProcessId id) override;

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
    std::unique_ptr<OutputPipe> out;
    std::unique_ptr<OutputPipe> err;
    UniqueFd pidfd;                   // When it has started, and the kernel has such.
    std::unique_ptr<FdWatcher> gone;  // After the spawner's end: watches the pidfd.
  };

  absl::Status StartSpawner();
  absl::Status Send(ProcessId id, ProcessRequest request);
  absl::Status OpenOutput(Process& process, UniqueFd* stdout_fd, UniqueFd* stderr_fd);
  void OnMessage(absl::string_view bytes, std::vector<UniqueFd> fds);
  void OnStarted(const StartedMessage& message, std::vector<UniqueFd> fds);
  void OnSpawnerGone();
  void StartAgain();
  void AwaitEnd(ProcessId id);  // Of a process whose spawner is gone.
  void Finish(ProcessId id, const ProcessExit& exit);
  void FinishUnknown(ProcessId id, std::string error);
  void FinishLater(ProcessId id, std::string error);
  void FinishShutdown();
  void ReapSpawner();
  void RemoveOwned();

  EventLoop* const loop_;
  UniqueFd executable_;
  std::unique_ptr<ControlChannel> channel_;  // Null while there is no spawner.
  pid_t spawner_pid_ = 0;
  absl::Time spawner_started_;
  int failures_ = 0;  // Spawners in a row that did not live for long.
  Clock::TimerId restart_timer_ = 0;
  Clock::TimerId shutdown_timer_ = 0;
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
