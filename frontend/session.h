// One session: a benchmark, a history, and perhaps a worker that holds them ready.
#ifndef HOLDFAST_FRONTEND_SESSION_H_
#define HOLDFAST_FRONTEND_SESSION_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "frontend/checkpoint.h"
#include "frontend/client_files.h"
#include "frontend/crash_reports/crash_event.h"
#include "frontend/failure_status.h"
#include "frontend/history.h"
#include "frontend/poisoned_steps.h"
#include "frontend/replay.h"
#include "frontend/session_state.h"
#include "frontend/step_request.h"
#include "frontend/worker_source.h"
#include "proto/compiler_gym_service.pb.h"

namespace holdfast {

enum class RecoveryOutcome {
  kRestored,
  kLost,       // The replay failed: the session is lost.
  kAbandoned,  // No time or no worker; the next call tries again.
};
inline constexpr int kRecoveryOutcomes = 3;

enum class SnapshotOutcome {
  kTaken,
  kFailed,    // By the session, or with its worker. It is not asked again.
  kRestored,  // A session was built from it.
  kRefused,   // It could not be restored: the session was replayed from its start.
};
inline constexpr int kSnapshotOutcomes = 4;

// Thread-safe.
class BoundedCount {
 public:
  explicit BoundedCount(int max) : max_(max) {}
  // False: it is at its maximum.
  bool TryAdd() {
    if (++count_ <= max_) return true;
    --count_;
    return false;
  }
  void Remove() { --count_; }

 private:
  const int max_;
  std::atomic<int> count_{0};
};

// What the sessions of a service can do, as their type says.
struct SessionAbilities {
  bool takes_snapshots = false;
  // False: a session is bound to its worker. It is never parked nor forked, and lost with it.
  bool is_rebuildable = true;
};

// What all sessions of a service share. Outlives them. The functions are called under the mutex of
// a session, on any thread: they must not call sessions.
struct SessionEnvironment {
  WorkerSource* workers = nullptr;
  absl::Duration step_timeout = absl::Minutes(4);
  int step_retries = 1;
  bool refuse_poisoned_steps = true;  // Unless a session is told otherwise.
  // Answers parameters that the session does not know; nullopt: unknown here, too.
  std::function<absl::optional<absl::StatusOr<std::string>>(absl::string_view key,
                                                            absl::string_view value)>
      builtin_parameter;
  // The actions of a step, for messages: "-gvn (61), -licm (72)".
  std::function<std::string(int action_space, const StepRequestView& step)> describe_actions;
  std::function<void(absl::optional<SessionState> from, absl::optional<SessionState> to)>
      on_transition;
  std::function<void(RecoveryOutcome, absl::Duration)> on_recovery;
  std::function<void(SnapshotOutcome)> on_snapshot;
  // A worker failed in the service of a session, or between its calls.
  std::function<void(CrashEvent)> on_failure;
  // A step was refused that had killed workers before.
  std::function<void()> on_refused;
  // Counts the bytes of all histories.
  History::ByteCount* history_bytes = nullptr;
  CheckpointStore* checkpoints = nullptr;
  // Of workers that forks hold ahead of their first call.
  BoundedCount* prefetched = nullptr;
  std::function<SessionAbilities()> abilities;
};

// A session at a glance, for operators.
struct SessionInfo {
  int64_t id = 0;
  std::string benchmark;
  SessionState state = SessionState::kParked;
  absl::Time start;
  absl::Time last_call;  // Its end; InfiniteFuture: a call is under way.
  int64_t actions = 0;   // Applied so far.
  uint64_t worker = 0;   // 0: none.
};

// Calls on one session are carried out one at a time, in the order of their arrival. Thread-safe: a
// mutex of its own guards each session. Worker and pool callbacks may come late: each remembers the
// epoch in which it was asked for, and one of an old epoch is dropped.
class Session : public Borrower, public std::enable_shared_from_this<Session> {
 public:
  // Runs exactly once, under the session's mutex: it must not call the session.
  using Done = absl::AnyInvocable<void(const grpc::Status&, const grpc::ByteBuffer& reply)>;
  using ForkDone = absl::AnyInvocable<void(const grpc::Status&, std::shared_ptr<Session>)>;
  using Ticket = uint64_t;  // Names a call of this session.
  // Who makes a call.
  struct Caller {
    uint64_t connection = 0;  // Workers are lent to connections in turn.
    absl::Time deadline = absl::InfiniteFuture();
  };

  Session(int64_t id, SessionOrigin origin, const SessionEnvironment* environment);
  // After End().
  ~Session() override;

  int64_t id() const { return id_; }
  SessionState state() const;
  SessionInfo Info() const;
  // Borrower. Any thread.
  absl::Time idle_since() const override {
    const int64_t micros = idle_since_micros_.load(std::memory_order_relaxed);
    return micros == kInCall ? absl::InfiniteFuture() : absl::FromUnixMicros(micros);
  }
  bool AskBack() override;
  void Withdraw() override;

  // The first call: Init. If it fails the session has ended.
  Ticket Start(const google::protobuf::RepeatedField<int32_t>& observation_space,
               const Caller& caller, Done done);
  Ticket Step(StepRequestView view, const grpc::ByteBuffer& request, const Caller& caller,
              Done done);
  Ticket SendParameters(compiler_gym::SendSessionParameterRequest request, const Caller& caller,
                        Done done);
  // The new session is a copy of this one at the moment that the call has its turn. UNIMPLEMENTED
  // if sessions are not rebuildable.
  Ticket Fork(int64_t new_id, const Caller& caller, ForkDone done);

  // Ends a call with `reason`, if it has not ended yet: its effects are rolled back.
  void Abandon(Ticket ticket, const grpc::Status& reason);
  // Ends the session and all its calls, at once. Idempotent.
  void End();
  // Ends it if it has had no call since `when`, and has none now. True if it has ended.
  bool EndIfIdleSince(absl::Time when);
  // Gives up its worker, if it has one, likewise.
  void ParkIfIdleSince(absl::Time when);

 private:
  // The last two are the session's own, and nobody's call.
  enum class Kind { kStart, kStep, kParameters, kFork, kSnapshot, kPrefetch };
  struct Operation {
    Kind kind;
    Ticket ticket = 0;
    Caller caller;
    Done done;
    grpc::ByteBuffer request;                                     // kStart, kStep.
    google::protobuf::RepeatedField<int32_t> start_observations;  // kStart.
    StepRequestView step;                                         // kStep.
    compiler_gym::SendSessionParameterRequest parameters;
    compiler_gym::SendSessionParameterReply parameter_replies;  // Those handled so far.
    int64_t fork_id = 0;
    ForkDone fork_done;
    absl::Time turn_start;
    absl::Time call_start;          // Of the last call to the worker.
    absl::Time budget;              // When it must be over. Set when its turn comes.
    int attempts = 0;               // That ended with the worker; of the parameter at hand.
    bool is_tried = false;          // Some attempt was made, and may have done something.
    bool was_worker_fresh = false;  // It had done nothing since the session was built on it.
    WorkerFailure first_failure;    // Of the first of these.
    // What to go back to if one of several parameters fails.
    absl::optional<History> history_before;
    Checkmark checkmark_before;
    bool refuse_poisoned_before = false;
  };
  // Turns.
  Ticket Submit(std::unique_ptr<Operation> operation);
  void RunTurns() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginTurn(std::unique_ptr<Operation> operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishCurrent(const grpc::Status& status, const grpc::ByteBuffer& reply = {})
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Answers a step that is known to kill workers. False: it is not known, or shall be tried.
  bool RefuseIfPoisoned() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RollBack(Operation* failed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static bool IsOwn(Kind kind) { return kind == Kind::kSnapshot || kind == Kind::kPrefetch; }
  // The turn under way is not a call's.
  bool HasOwnTurn() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsIdleSince(absl::Time when) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetIdleSince(int64_t unix_micros) {
    idle_since_micros_.store(unix_micros, std::memory_order_relaxed);
  }
  void Transition(SessionState to) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Checkpoints, forks and parking.
  static std::unique_ptr<Operation> MakeOwnOperation(Kind kind);
  // Between two calls. True: a turn of the session's own has begun.
  bool BeginOwnTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsSnapshotDue(bool is_move_expected) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnSnapshot(const WorkerReply& reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `taken`: null if it failed.
  void FinishSnapshot(const std::shared_ptr<Checkpoint>& taken, bool is_failure_final)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForkNow(std::unique_ptr<Operation> fork) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of a fork: gets onto a worker ahead of its first call, if one is to spare.
  void Prefetch();
  void ForgetPrefetch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AwaitCheckpoint() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AdoptAwaited() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of the checkpoint; null if there is none, or no longer.
  std::shared_ptr<const HeldSnapshot> FindSnapshot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The store may have dropped it for others: what it held must be applied again.
  void NoticeDroppedCheckpoint() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropCheckpoint() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of a snapshot. `is_final`: another would fail as well.
  void CountSnapshotFailure(bool is_final) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Park() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A replay is carried on whose call was given up: the next call will need it. False: there is
  // none, or not of the state that the session goes back to.
  bool LeaveReplayToNextCall(const grpc::Status& reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // As far as is known.
  absl::Duration RebuildTime() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False: a call would spend most of its time with the rebuild.
  bool IsWorthParking() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Getting onto a worker.
  void Materialise() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AcquireWorker() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnLease(uint64_t epoch, absl::StatusOr<Lease> lease);
  absl::Time ReplayDeadline() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnReplayed(uint64_t epoch, const ReplayResult& result);
  // `why`: for people.
  void OnReplayFailed(const WorkerFailure& failure, const std::string& why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The record is right, but the session cannot be restored now: the next call tries again.
  void LeaveToNextCall(grpc::StatusCode code, const std::string& why, const WorkerFailure& failure)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Lose(const std::string& why, WorkerFailure failure) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndRecovery(RecoveryOutcome outcome) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Calling it.
  void CallWorker() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnReply(uint64_t epoch, const WorkerReply& reply);
  void OnReplyTooLarge() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnStarted(const WorkerReply& reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnStepped(const WorkerReply& reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnParameterHandled(const WorkerReply& reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The state after the last entry of the history has it; empty: not known.
  void SetCheckmark(const std::string& fingerprint) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RecordParameter(const WorkerReply& reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The answer to a parameter that the worker does not know.
  absl::StatusOr<std::string> HandleOwnParameter(const compiler_gym::SessionParameter& parameter)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Losing it.
  void OnWorkerExit(uint64_t loan, WorkerFailure failure);
  void DiscardWorker(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnWorkerGone(WorkerFailure failure) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnCallFailed(const WorkerFailure& failure) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellFailure(const WorkerFailure& failure) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends a call for good, and remembers a step that would fail so again.
  void FinishFailed(grpc::StatusCode code, const std::string& message, const WorkerFailure& failure)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // "Step [-gvn (61), -licm (72)]".
  std::string DescribeCurrent() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // After an attempt that failed, without another that tells more.
  void FinishUnconfirmed(const std::string& what, absl::string_view why_no_retry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PreemptWorker() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReleaseWorker() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Empties lease_, to give it back.
  Lease TakeLease() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int64_t id_;
  const SessionOrigin origin_;
  const absl::Time start_ = absl::Now();
  const SessionEnvironment* const environment_;

  mutable absl::Mutex mutex_;
  SessionState state_ ABSL_GUARDED_BY(mutex_) = SessionState::kParked;
  History history_ ABSL_GUARDED_BY(mutex_);
  Checkmark checkmark_ ABSL_GUARDED_BY(mutex_);
  PoisonedSteps poisoned_ ABSL_GUARDED_BY(mutex_);
  bool refuse_poisoned_ ABSL_GUARDED_BY(mutex_);
  static constexpr int64_t kInCall = INT64_MAX;
  std::atomic<int64_t> idle_since_micros_;  // Unix time of the end of its last call, or kInCall.
  std::list<std::unique_ptr<Operation>> queue_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Operation> current_ ABSL_GUARDED_BY(mutex_);
  Ticket last_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  // Counts what was asked of pool and worker; see the class comment.
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  Lease lease_ ABSL_GUARDED_BY(mutex_);
  WorkerSource::Ticket lease_request_ ABSL_GUARDED_BY(mutex_);  // That waits for its answer.
  // Of workers that it had before.
  std::vector<std::shared_ptr<ClientFiles>> client_files_ ABSL_GUARDED_BY(mutex_);
  uint64_t loan_ ABSL_GUARDED_BY(mutex_) = 0;    // The epoch in which the lease was asked for.
  uint64_t worker_ ABSL_GUARDED_BY(mutex_) = 0;  // That of the lease, or of the last; 0: none yet.
  std::string worker_id_field_ ABSL_GUARDED_BY(mutex_);   // Appended to each Step: the worker's id.
  bool is_worker_fresh_ ABSL_GUARDED_BY(mutex_) = false;  // See Operation.
  bool is_replaying_ ABSL_GUARDED_BY(mutex_) = false;
  // Since it was restored last; null: none.
  std::unique_ptr<ReplayFailures> replay_failures_ ABSL_GUARDED_BY(mutex_);
  bool is_recovery_due_ ABSL_GUARDED_BY(mutex_) = false;
  absl::optional<absl::Time> recovery_start_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<const grpc::Status> lost_ ABSL_GUARDED_BY(mutex_);  // Why it is lost.
  // Between two calls, of a session that cannot be replayed.
  std::unique_ptr<WorkerFailure> last_failure_ ABSL_GUARDED_BY(mutex_);

  RebuildCosts costs_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Checkpoint> checkpoint_ ABSL_GUARDED_BY(mutex_);  // The newest, if any.
  // To take or to restore one, since one was restored. Too many: there are no more snapshots.
  int snapshot_failures_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t no_snapshot_at_ ABSL_GUARDED_BY(mutex_) = -1;  // There is none of that entry's state.
  bool is_asked_back_ ABSL_GUARDED_BY(mutex_) = false;   // Parks after the call under way.
  bool is_prefetched_ ABSL_GUARDED_BY(mutex_) = false;   // And had no call since.
  // The checkpoint that forks of this session wait for, and the one that it waits for itself.
  std::shared_ptr<PendingCheckpoint> promised_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<PendingCheckpoint> awaited_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SESSION_H_
