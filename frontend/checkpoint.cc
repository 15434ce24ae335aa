#include "frontend/checkpoint.h"

#include <algorithm>

namespace holdfast {
namespace {

// Of a session's own time, that snapshots may take which are not for a move.
constexpr double kShare = 0.1;
// Below that a rebuild is not worth a thought.
constexpr absl::Duration kMinTail = absl::Milliseconds(5);

constexpr absl::Duration kMinTimeLimit = absl::Seconds(5);

}  // namespace

Checkpoint::Checkpoint(CheckpointStore* store, int64_t entries, const RebuildCosts& costs,
                       std::shared_ptr<const HeldSnapshot> snapshot)
    : store_(store),
      entries_(entries),
      costs_(costs),
      bytes_(static_cast<int64_t>(snapshot->ByteSizeLong())),
      value_(absl::ToDoubleSeconds(costs.head) / static_cast<double>(std::max<int64_t>(bytes_, 1))),
      snapshot_(std::move(snapshot)) {}

Checkpoint::~Checkpoint() {
  std::shared_ptr<const HeldSnapshot> garbage;
  absl::MutexLock lock(&store_->mutex_);
  garbage = store_->Forget(this);
}

std::shared_ptr<const HeldSnapshot> Checkpoint::Get() const {
  absl::MutexLock lock(&store_->mutex_);
  return snapshot_;
}

std::shared_ptr<Checkpoint> CheckpointStore::Add(int64_t entries, const RebuildCosts& costs,
                                                 HeldSnapshot snapshot, Checkpoint* replaced) {
  std::shared_ptr<Checkpoint> added(
      new Checkpoint(this, entries, costs, std::make_shared<HeldSnapshot>(std::move(snapshot))));
  std::vector<std::shared_ptr<const HeldSnapshot>> garbage;
  bool is_dropped = added->bytes_ > max_bytes_;
  {
    absl::MutexLock lock(&mutex_);
    if (!is_dropped) {
      held_.insert({added->value_, added.get()});
      ++stats_.count;
      stats_.bytes += added->bytes_;
      if (replaced != nullptr) garbage.push_back(Forget(replaced));
    }
    while (stats_.bytes > max_bytes_) {
      Checkpoint* const least = held_.begin()->second;
      is_dropped = is_dropped || least == added.get();
      garbage.push_back(Forget(least));
      ++stats_.dropped;
    }
    if (added->bytes_ > max_bytes_) ++stats_.dropped;
  }
  if (is_dropped) added.reset();
  return added;
}

std::shared_ptr<const HeldSnapshot> CheckpointStore::Forget(Checkpoint* checkpoint) {
  checkpoint->is_held_.store(false, std::memory_order_relaxed);
  if (held_.erase({checkpoint->value_, checkpoint}) > 0) {
    --stats_.count;
    stats_.bytes -= checkpoint->bytes_;
  }
  return std::move(checkpoint->snapshot_);
}

CheckpointStore::Stats CheckpointStore::GetStats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

bool PendingCheckpoint::Await(Then then) {
  absl::MutexLock lock(&mutex_);
  if (!is_resolved_) waiting_.push_back(std::move(then));
  return !is_resolved_;
}

void PendingCheckpoint::Resolve(const std::shared_ptr<Checkpoint>& checkpoint, int failures) {
  std::vector<Then> waiting;
  {
    absl::MutexLock lock(&mutex_);
    is_resolved_ = true;
    result_ = checkpoint;
    failures_ = failures;
    waiting.swap(waiting_);
  }
  for (Then& then : waiting) then(checkpoint);
}

std::shared_ptr<Checkpoint> PendingCheckpoint::result() const {
  absl::MutexLock lock(&mutex_);
  return result_;
}

int PendingCheckpoint::failures() const {
  absl::MutexLock lock(&mutex_);
  return failures_;
}

bool IsCheckpointDue(const RebuildCosts& costs, bool is_move_expected) {
  const bool is_known = costs.snapshot > absl::ZeroDuration();
  if (costs.tail < kMinTail) return false;
  if (is_move_expected && !is_known) return true;
  const absl::Duration snapshot = is_known ? costs.snapshot : costs.init;
  const absl::Duration restore = costs.restore > absl::ZeroDuration() ? costs.restore : snapshot;
  if (costs.tail < snapshot + restore) return false;
  return is_move_expected || kShare * costs.tail >= snapshot;
}

absl::Duration SnapshotTimeLimit(const RebuildCosts& costs) {
  return std::max(costs.head + costs.tail, kMinTimeLimit);
}

}  // namespace holdfast
