// Snapshots of sessions, held so that a session need not be built from its start.
#ifndef HOLDFAST_FRONTEND_CHECKPOINT_H_
#define HOLDFAST_FRONTEND_CHECKPOINT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/worker_control.pb.h"

namespace holdfast {

class CheckpointStore;

// What it costs to rebuild a session, as measured.
struct RebuildCosts {
  absl::Duration init;      // Of the program.
  absl::Duration head;      // To apply again what the last checkpoint holds, Init included.
  absl::Duration tail;      // And what came after it, or after Init if there is none.
  absl::Duration snapshot;  // To take one. Zero: not known yet.
  absl::Duration restore;   // Likewise.
};

// A session's state after so many entries of its history. Shared by a session and its forks.
// Thread-safe. The store outlives it.
class Checkpoint {
 public:
  ~Checkpoint();

  // Null if the store has dropped it since.
  std::shared_ptr<const HeldSnapshot> Get() const;
  // Without a lock, so it may be dropped a moment later.
  bool is_held() const { return is_held_.load(std::memory_order_relaxed); }
  // Of the history that led to it.
  int64_t entries() const { return entries_; }
  // When it was taken: the tail is empty.
  const RebuildCosts& costs() const { return costs_; }

 private:
  friend class CheckpointStore;
  Checkpoint(CheckpointStore* store, int64_t entries, const RebuildCosts& costs,
             std::shared_ptr<const HeldSnapshot> snapshot);

  CheckpointStore* const store_;
  const int64_t entries_;
  const RebuildCosts costs_;
  const int64_t bytes_;
  const double value_;                            // Seconds that it saves, for each byte.
  std::shared_ptr<const HeldSnapshot> snapshot_;  // Guarded by the store's mutex.
  std::atomic<bool> is_held_{true};
};

// Bounds the bytes of all checkpoints of a service: those go first that save the least time for
// each of their bytes. Thread-safe; its mutex is a leaf.
class CheckpointStore {
 public:
  struct Stats {
    int64_t count = 0;
    int64_t bytes = 0;
    int64_t dropped = 0;  // For want of room, since the start.
  };

  explicit CheckpointStore(int64_t max_bytes) : max_bytes_(max_bytes) {}

  // Null if there is no room for it. `replaced`: what nobody needs once the new one is there, so it
  // goes first; may be null.
  std::shared_ptr<Checkpoint> Add(int64_t entries, const RebuildCosts& costs, HeldSnapshot snapshot,
                                  Checkpoint* replaced = nullptr);
  Stats GetStats() const;

 private:
  friend class Checkpoint;
  using ByValue = std::set<std::pair<double, Checkpoint*>>;

  // Takes its snapshot away, which the caller destroys when the mutex is free.
  std::shared_ptr<const HeldSnapshot> Forget(Checkpoint* checkpoint)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int64_t max_bytes_;
  mutable absl::Mutex mutex_;
  ByValue held_ ABSL_GUARDED_BY(mutex_);
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

// A checkpoint that is being taken, for the forks that will start from it. Thread-safe.
class PendingCheckpoint {
 public:
  // `checkpoint` is null if there is none.
  using Then = absl::AnyInvocable<void(const std::shared_ptr<Checkpoint>& checkpoint)>;

  // Runs `then` from within Resolve(). False: it is resolved already, and `then` is dropped.
  bool Await(Then then);
  // Once. `failures`: see Session.
  void Resolve(const std::shared_ptr<Checkpoint>& checkpoint, int failures = 0);
  // Null before Resolve(), too.
  std::shared_ptr<Checkpoint> result() const;
  int failures() const;

 private:
  mutable absl::Mutex mutex_;
  bool is_resolved_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<Checkpoint> result_ ABSL_GUARDED_BY(mutex_);
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Then> waiting_ ABSL_GUARDED_BY(mutex_);
};

// Whether it pays to take a checkpoint now: applying the tail again would cost more than taking one
// and restoring it. `is_move_expected`: the session is about to be built elsewhere, because it was
// forked or gives up its worker. If not, only a rare failure would need it, and snapshots may take
// a tenth of a session's time: by Young's formula the best interval is sqrt(2 * snapshot * mean
// time between failures), which for passes of milliseconds that fail once in some hundred steps is
// about ten times the cost of a snapshot. Either way a rebuild costs no more than a fixed multiple
// of a snapshot, however long the history.
//
// What is not known: the first snapshot before a move is taken to learn what it costs; else it is
// taken to cost as much as Init, and a restore as much as a snapshot.
bool IsCheckpointDue(const RebuildCosts& costs, bool is_move_expected);

// How long a snapshot may take, or a restore: without either everything is applied again, so what
// takes longer than that is of no use. At least 5 seconds, for a busy machine.
absl::Duration SnapshotTimeLimit(const RebuildCosts& costs);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_CHECKPOINT_H_
