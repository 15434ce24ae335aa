// A queue in which no client can starve another.
#ifndef HOLDFAST_FRONTEND_FAIR_QUEUE_H_
#define HOLDFAST_FRONTEND_FAIR_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/types/optional.h"

namespace holdfast {

// Clients have their turns one after another, and in each the oldest of their items is taken. A
// client whose items were all taken queues up anew with its next one, behind the others, so that
// one item at a time gets it no more than many at once. Not thread-safe.
template <typename Item>
class FairQueue {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

  // `ticket` names the item. Must grow from call to call.
  void Push(uint64_t client, uint64_t ticket, Item item) {
    Items& items = clients_[client];
    if (items.empty()) turns_.push_back(client);
    items.emplace(ticket, std::move(item));
    ++size_;
  }

  // The next one. There must be one.
  Item Pop() {
    const uint64_t client = turns_.front();
    turns_.pop_front();
    const auto found = clients_.find(client);
    Item item = TakeFrom(found, found->second.begin());
    if (clients_.contains(client)) turns_.push_back(client);
    return item;
  }

  // Takes one out of turn. nullopt: it is not there any more.
  absl::optional<Item> Remove(uint64_t client, uint64_t ticket) {
    const auto found = clients_.find(client);
    if (found == clients_.end()) return absl::nullopt;
    const auto item = found->second.find(ticket);
    if (item == found->second.end()) return absl::nullopt;
    absl::optional<Item> removed = TakeFrom(found, item);
    if (!clients_.contains(client)) {
      turns_.erase(std::find(turns_.begin(), turns_.end(), client));
    }
    return removed;
  }

 private:
  using Items = std::map<uint64_t, Item>;  // By ticket, so by age.
  using Clients = absl::flat_hash_map<uint64_t, Items>;

  // Forgets clients without items.
  Item TakeFrom(typename Clients::iterator client, typename Items::iterator item) {
    Item taken = std::move(item->second);
    client->second.erase(item);
    if (client->second.empty()) clients_.erase(client);
    --size_;
    return taken;
  }

  Clients clients_;
  std::list<uint64_t> turns_;  // Each of the clients once, the next first.
  size_t size_ = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_FAIR_QUEUE_H_
