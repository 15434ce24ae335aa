// One worker process, from its start to its end.
//
//                  +---------------------+ (reset, for another session)
//                  v                     |
//   Starting --> Idle --> Leased --> Resetting
//       |         | ^       | |          |
//       |         | +-------+ | (returned)
//       +---------+-----------+----------+--> Retiring --> Dead
//       +---------+-----------+----------+-----------------^  (any exit)
#ifndef HOLDFAST_FRONTEND_WORKER_SLOT_H_
#define HOLDFAST_FRONTEND_WORKER_SLOT_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "frontend/client_files.h"
#include "frontend/clock.h"
#include "frontend/output_tail.h"
#include "frontend/process_spawner.h"
#include "frontend/worker_client.h"
#include "frontend/worker_limits.h"
#include "proto/worker_control.pb.h"
#include "proto/worker_failure.pb.h"

namespace holdfast {

enum class WorkerState { kStarting, kIdle, kLeased, kResetting, kRetiring, kDead };
inline constexpr int kWorkerStates = 6;
// "starting", "idle", …
absl::string_view WorkerStateName(WorkerState state);
bool IsLegalTransition(WorkerState from, WorkerState to);

// How to start a worker. The fd is borrowed, the same for all workers of a service.
struct WorkerCommand {
  int binary = -1;
  std::vector<std::string> arguments;  // argv[0] first.
  std::vector<std::string> environment;
  std::string scratch_root;  // Each worker gets a directory of its own below it.
  WorkerLimits limits;
};

// Confined to the supervision thread, apart from the WorkerClient that it hands out.
class WorkerSlot {
 public:
  struct Dependencies {
    Clock* clock;
    ProcessSpawner* spawner;
    // Makes the client of a worker out of our end of its link.
    std::function<std::shared_ptr<WorkerClient>(UniqueFd link)> make_client;
    // Runs work on the supervision thread, from any thread.
    std::function<void(absl::AnyInvocable<void()>)> post;
    // Runs work that may block, on some other thread.
    std::function<void(absl::AnyInvocable<void()>)> run_blocking;
  };
  struct Events {
    // The worker has described itself and is Idle.
    std::function<void(WorkerSlot*, const DescribeReply&)> on_ready;
    // Its session has ended, without a trace as far as can be told, and it is Idle again.
    std::function<void(WorkerSlot*)> on_reset;
    // The process is gone and the slot is Dead. The last event.
    std::function<void(WorkerSlot*, WorkerState last_state)> on_dead;
    std::function<void(WorkerSlot*, WorkerState from, WorkerState to)> on_transition;
    // A line or part of a line of the worker's output.
    std::function<void(const WorkerSlot*, bool is_stderr, absl::string_view)> on_output;
  };

  WorkerSlot(uint64_t id, const Dependencies& dependencies, Events events);
  // Dead only, or at the end of the service.
  ~WorkerSlot();

  // Starts the process. It must answer Describe within `timeout`. Failures are told by on_dead,
  // never from within this call.
  void Start(const WorkerCommand& command, absl::Duration timeout);

  void Lease();   // Idle -> Leased.
  void Return();  // Leased -> Idle.
  // Ends the session, empties its scratch directory and makes the worker fit for another: Leased ->
  // Resetting -> Idle. One that fails in this, takes more than a second, has met a limit or has
  // grown since its start is retired.
  void Reset();
  // Ends the worker in good order: its session is told, then the process is killed, at the latest
  // after a second. From Starting, Idle, Leased or Resetting.
  void Retire();
  // Kills the process now. The first reason counts: a cause and, if it exceeded a limit, which.
  // From any state but Dead, where it does nothing.
  void Kill(const WorkerFailure& reason);
  void Kill(WorkerFailure::Cause cause);

  uint64_t id() const { return id_; }
  // Its process, as it is now.
  ProcessCondition Look() const { return dependencies_.spawner->Look(process_); }
  ProcessId process() const { return process_; }
  pid_t pid() const { return pid_; }  // 0: not known yet.
  WorkerState state() const { return state_; }
  absl::Time started() const { return started_; }
  const std::shared_ptr<WorkerClient>& client() const { return client_; }
  const std::shared_ptr<ClientFiles>& client_files() const { return client_files_; }
  // How often it was reset.
  int resets() const { return resets_; }
  // What it used when it became ready, by itself. 0: not known.
  int64_t first_bytes() const { return first_bytes_; }
  // How it ended. Dead only. UNKNOWN cause: it was retired, which is no failure.
  const WorkerFailure& failure() const { return failure_; }
  // It could not even be executed, or said so: trying again is pointless.
  bool is_permanent_failure() const { return is_permanent_failure_; }

 private:
  void Transition(WorkerState to);
  void Described(const WorkerReply& reply);
  // Ends the session; `then` runs with whether the worker has done so within the time.
  void EndSession(std::function<void(bool ended)> then);
  void SessionEnded(bool ended);
  void Emptied(bool emptied);
  void Exited(const ProcessExit& exit);
  void FillFailure(const ProcessExit& exit);
  // Why it ended; the strongest of what is known.
  WorkerFailure Judge(const ProcessExit& exit) const;
  void RemoveDirectory();
  std::string ScratchDirectory() const { return directory_ + "/scratch"; }
  // See common/worker_progress.h.
  std::string ProgressFile() const { return directory_ + "/progress"; }

  const uint64_t id_;
  const Dependencies dependencies_;
  const Events events_;
  const absl::Time started_;
  WorkerState state_ = WorkerState::kStarting;
  bool is_retired_ = false;
  bool is_permanent_failure_ = false;
  int resets_ = 0;
  int64_t first_bytes_ = 0;
  WorkerFailure kill_reason_;  // UNKNOWN: none of ours.
  WorkerLimits limits_;
  WorkerFailure failure_;
  ProcessId process_ = 0;
  pid_t pid_ = 0;
  std::string directory_;  // Of this worker: its session's scratch directory, and its progress.
  std::shared_ptr<ClientFiles> client_files_;
  std::shared_ptr<WorkerClient> client_;
  OutputTail stderr_tail_;
  Clock::TimerId timer_ = 0;  // Start-up, reset or retirement.
  // Work that comes back later asks here whether the slot still exists.
  std::shared_ptr<WorkerSlot*> self_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_WORKER_SLOT_H_
