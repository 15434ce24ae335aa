// The workers: how many there are, which is idle, who waits for one.
//
// Keeps idle workers ready, at least `warm`, more if the demand is (warm_target), and never more
// than `max` processes. Workers that die are replaced; start-up failures are paced by the restart
// policy, deaths on loan are not. If requests wait and no worker can be started for them, those who
// have one on loan are asked to give it back.
#ifndef HOLDFAST_FRONTEND_WORKER_POOL_H_
#define HOLDFAST_FRONTEND_WORKER_POOL_H_

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "frontend/fair_queue.h"
#include "frontend/restart_policy.h"
#include "frontend/warm_target.h"
#include "frontend/worker_slot.h"
#include "frontend/worker_source.h"
#include "frontend/worker_watchdog.h"

namespace holdfast {

// Why a borrower is asked to give back its worker.
enum class AskReason { kPressure, kGrowth };
inline constexpr int kAskReasons = 2;

// A worker at a glance, for operators.
struct WorkerInfo {
  uint64_t id = 0;
  pid_t pid = 0;  // 0: not known yet.
  WorkerState state = WorkerState::kStarting;
  absl::Duration age;
  int64_t resident_bytes = 0;  // Of the process itself. 0: not known.
  int sessions_served = 0;     // Before the one that it has.
};

// Confined to the supervision thread, apart from the WorkerSource methods, which post to it.
class WorkerPool : public WorkerSource {
 public:
  struct Options {
    int warm = 2;  // 0 to max. One is started in any case, at first.
    int max = 256;
    // Starts under way at once. More only make each other slow.
    int max_starting = 4;
    // Sessions that one process may serve, one after another. At least 1.
    int reuse = 1;
    absl::Duration start_timeout = absl::Seconds(20);
    // The longest that Acquire() waits, whatever the caller's own limit.
    absl::Duration wait_timeout = absl::Seconds(60);
    RestartPolicyOptions restart;
    // What the machine has left. Null: not known, so that memory does not bound the warm workers.
    std::function<int64_t()> available_memory;
  };
  // Told on the supervision thread. All are optional to fill with something useful, but must be
  // set.
  struct Observer {
    // A worker changed its state; nullopt: it has just been made, or is gone.
    std::function<void(absl::optional<WorkerState> from, absl::optional<WorkerState> to)>
        on_transition;
    std::function<void(uint64_t worker, pid_t pid, const DescribeReply&, absl::Duration took)>
        on_ready;
    // `last_state`: what it was doing. A failure of cause UNKNOWN is an orderly end.
    std::function<void(uint64_t worker, pid_t pid, WorkerState last_state, const WorkerFailure&)>
        on_dead;
    std::function<void(uint64_t worker, bool is_stderr, absl::string_view bytes)> on_output;
    // The service can, or cannot, start workers. `why` is for people.
    std::function<void(bool ready, const std::string& why)> on_readiness;
    std::function<void(AskReason)> on_asked_back;
    // A worker that has served one session is ready for another.
    std::function<void()> on_reused;
    // How many requests wait, and how many idle workers are to be kept ready. At each change.
    std::function<void(int waiting, int warm_target)> on_demand;
  };

  WorkerPool(const Options& options, WorkerCommand command,
             const WorkerSlot::Dependencies& dependencies, Observer observer);
  // The spawner must be gone: it would report to slots that are not there any more.
  ~WorkerPool() override;

  // Starts the warm workers.
  void Start();
  // Kills all workers, fails those who wait, starts nothing more, calls no `on_exit` any more.
  void Stop();

  // WorkerSource. Any thread.
  Ticket Acquire(WorkerRequest request, OnLease on_lease, OnFailure on_exit) override;
  void Cancel(const Ticket& ticket) override;
  void Return(Lease lease) override;
  void Release(Lease lease) override;
  void Discard(Lease lease, WorkerFailure::Cause cause, absl::Duration grace,
               OnFailure on_gone) override;

  bool is_ready() const { return is_ready_; }
  // All but the dead, by id.
  std::vector<WorkerInfo> List() const;
  // As a `kill -9` by the operator would: a session that has it recovers. The pid; nullopt: there
  // is no such worker, or it has no process yet.
  absl::optional<pid_t> Kill(uint64_t worker);

 private:
  struct Waiter {
    OnLease on_lease;
    OnFailure on_exit;
    std::shared_ptr<Borrower> borrower;
    Clock::TimerId timer;
  };
  // A loan: from Acquire until the lease was given back and the process has ended, or is idle
  // again.
  struct Loan {
    uint64_t number = 0;                  // Counts up: the age.
    absl::optional<AskReason> asked_for;  // To give it back.
    absl::Time asked_at;
    std::shared_ptr<Borrower> borrower;     // Null: never asked, or once the lease was given back.
    OnFailure on_exit;                      // Null once the lease was given back.
    OnFailure on_gone;                      // Set by Discard.
    absl::optional<WorkerFailure> failure;  // Set: the process has ended.
  };

  void AcquireNow(WorkerRequest request, uint64_t ticket, OnLease on_lease, OnFailure on_exit);
  void ReleaseNow(uint64_t worker);
  void DiscardNow(uint64_t worker, WorkerFailure::Cause cause, absl::Duration grace,
                  OnFailure on_gone);
  void WaitTimedOut(uint64_t client, uint64_t ticket);

  // worker_pool_balance.cc. Brings loans, starts and the restart policy up to date: to be called
  // after every event.
  void Balance();
  void ServeWaiters();
  void FailWaiters(const absl::Status& status);
  // An idle one that can serve; null if there is none. Retires what is stopped.
  WorkerSlot* FindUsable();
  void Lend(WorkerSlot* slot, Waiter borrower);
  void AskBorrowers();
  void WithdrawAsks();
  // True: the worker will be given back.
  bool AskBack(Loan* loan, AskReason reason);
  int ComputeWarmTarget() const;
  void StartWorkers();
  void StartOne();
  void WatchSurplus();
  void RetireSurplus();
  void TellDemand();

  WorkerSlot* FindSlot(uint64_t worker);
  int Count(WorkerState state) const { return counts_[static_cast<int>(state)]; }
  int CountAlive() const { return static_cast<int>(slots_.size()); }

  void OnReady(WorkerSlot* slot, const DescribeReply& description);
  void OnReset(WorkerSlot* slot);
  void OnDead(WorkerSlot* slot, WorkerState last_state);
  void OnGrown(uint64_t worker);
  void OnTransition(const WorkerSlot* slot, WorkerState from, WorkerState to);
  void EndLoan(uint64_t worker, const WorkerFailure& failure);
  void CheckInvariants() const;

  const Options options_;
  const WorkerCommand command_;
  const WorkerSlot::Dependencies dependencies_;
  const Observer observer_;
  WorkerWatchdog watchdog_;
  bool is_running_ = false;
  bool is_ready_ = false;
  bool is_described_ = false;  // By the first worker that was ready.
  uint64_t last_worker_ = 0;
  std::atomic<uint64_t> last_ticket_{0};
  uint64_t last_loan_ = 0;
  absl::flat_hash_map<uint64_t, std::unique_ptr<WorkerSlot>> slots_;  // All but Dead.
  std::deque<uint64_t> idle_;                                         // Oldest first.
  absl::flat_hash_map<uint64_t, Loan> loans_;
  FairQueue<Waiter> waiters_;
  int counts_[kWorkerStates] = {};
  StartFailureLog start_failures_;
  std::string last_start_failure_;
  Clock::TimerId retry_timer_ = 0;
  Clock::TimerId ask_timer_ = 0;
  bool have_asked_ = false;    // Some borrower, for those who wait.
  DecayingRate demand_;        // Requests that may wait.
  absl::Duration start_time_;  // Of a worker, on average of late.
  int64_t idle_bytes_ = 0;     // The size of the worker that became ready last; 0: not known.
  int warm_target_ = 0;
  // So many idle workers were above the target ever since the timer was set.
  Clock::TimerId surplus_timer_ = 0;
  int surplus_ = 0;
  absl::optional<std::pair<int, int>> told_demand_;
  std::shared_ptr<WorkerPool*> self_;  // Null when destroyed: posted work asks.
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_WORKER_POOL_H_
