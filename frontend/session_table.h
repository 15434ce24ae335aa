// The sessions of the service, by id.
#ifndef HOLDFAST_FRONTEND_SESSION_TABLE_H_
#define HOLDFAST_FRONTEND_SESSION_TABLE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "frontend/session.h"

namespace holdfast {

// Thread-safe. Its mutex is a leaf: nothing is called under it. To find and to list only read, so
// that steps wait neither for each other nor for those who look for idle sessions.
class SessionTable {
 public:
  explicit SessionTable(int max_sessions) : max_sessions_(max_sessions) {}

  // Sets a place aside for a session that is about to be made. Each is taken by Insert(), or given
  // back by Forgo(). False: there are, or will be, --max_sessions already.
  bool Reserve();
  void Forgo();
  void Insert(std::shared_ptr<Session> session);
  // Null if there is none.
  std::shared_ptr<Session> Find(int64_t id) const;
  // Takes the session out; null if there is none. `remaining`: how many are left.
  std::shared_ptr<Session> Remove(int64_t id, int* remaining);
  // Ends all sessions and forgets them.
  void EndAll();
  // Ends and forgets those that have had no call since `when`; returns their ids.
  std::vector<int64_t> EndIdleSince(absl::Time when);
  // Parks those that have had no call since `when`.
  void ParkIdleSince(absl::Time when);
  int size() const;
  std::vector<std::shared_ptr<Session>> List() const;

 private:
  const int max_sessions_;
  mutable absl::Mutex mutex_;
  int reserved_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<int64_t, std::shared_ptr<Session>> sessions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SESSION_TABLE_H_
