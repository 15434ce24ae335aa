#include "frontend/session_table.h"

#include <utility>

namespace holdfast {

bool SessionTable::Reserve() {
  absl::MutexLock lock(&mutex_);
  if (static_cast<int>(sessions_.size()) + reserved_ >= max_sessions_) return false;
  ++reserved_;
  return true;
}

void SessionTable::Forgo() {
  absl::MutexLock lock(&mutex_);
  --reserved_;
}

void SessionTable::Insert(std::shared_ptr<Session> session) {
  absl::MutexLock lock(&mutex_);
  --reserved_;
  sessions_[session->id()] = std::move(session);
}

std::shared_ptr<Session> SessionTable::Find(int64_t id) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second;
}

std::shared_ptr<Session> SessionTable::Remove(int64_t id, int* remaining) {
  absl::MutexLock lock(&mutex_);
  std::shared_ptr<Session> removed;
  const auto found = sessions_.find(id);
  if (found != sessions_.end()) {
    removed = std::move(found->second);
    sessions_.erase(found);
  }
  *remaining = static_cast<int>(sessions_.size());
  return removed;
}

void SessionTable::EndAll() {
  absl::flat_hash_map<int64_t, std::shared_ptr<Session>> sessions;
  {
    absl::MutexLock lock(&mutex_);
    sessions.swap(sessions_);
  }
  for (auto& session : sessions) session.second->End();
}

std::vector<std::shared_ptr<Session>> SessionTable::List() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<std::shared_ptr<Session>> sessions;
  sessions.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) sessions.push_back(session);
  return sessions;
}

void SessionTable::ParkIdleSince(absl::Time when) {
  for (const auto& session : List()) session->ParkIfIdleSince(when);
}

std::vector<int64_t> SessionTable::EndIdleSince(absl::Time when) {
  std::vector<int64_t> ended;
  for (const auto& session : List()) {
    // A call that comes in between finds that it has ended.
    if (!session->EndIfIdleSince(when)) continue;
    int remaining = 0;
    Remove(session->id(), &remaining);
    ended.push_back(session->id());
  }
  return ended;
}

int SessionTable::size() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(sessions_.size());
}

}  // namespace holdfast
