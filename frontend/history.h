// What changed a session since it began, in order: all that it takes, with the benchmark, to build
// the session again.
#ifndef HOLDFAST_FRONTEND_HISTORY_H_
#define HOLDFAST_FRONTEND_HISTORY_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace holdfast {

// An append-only list of entries. A fork shares what it has in common with its origin:
//
//   root <- node <- node <- tail of A      Nodes never change and are counted by reference;
//                        \- tail of B      each history owns the tail that it appends to.
//
// Not thread-safe; but histories that share nodes may be used from different threads.
class History {
 public:
  struct Entry {
    enum Kind { kStep, kParameter };
    Kind kind;
    absl::string_view bytes;  // As appended.
    int64_t action_count;     // 0 for a parameter.
  };
  class Reader;

  // Counts the bytes of all histories that were made with it, shared ones once. Must outlive them.
  using ByteCount = std::atomic<int64_t>;

  History() = default;
  explicit History(ByteCount* held_bytes) : held_bytes_(held_bytes) {}
  ~History() { Hold(-static_cast<int64_t>(tail_.size())); }
  // Forking is the copy, counted with the same counter. What was moved from is empty.
  History(History&& other) noexcept { *this = std::move(other); }
  History& operator=(History&& other) noexcept;

  // `actions`: the `action` fields of a StepRequest, as bytes; `count` of them.
  void AppendStep(absl::string_view actions, int64_t count);
  // `parameter`: a serialised SessionParameter.
  void AppendParameter(absl::string_view parameter);

  // A history with the same entries. Freezes the tail of this one for both to share, or copies it
  // if it is small: the cost is at most that of copying the tail.
  History Fork();

  int64_t action_count() const { return action_count_; }
  int64_t entry_count() const { return entry_count_; }
  // Of all entries with their encoding, shared or not.
  int64_t size_bytes() const { return size_bytes_; }

 private:
  struct Node;

  // Counts references to a node. std::shared_ptr would recurse on the end of a long chain, and does
  // not let the last owner take it apart without a race.
  class NodeRef {
   public:
    NodeRef() = default;
    explicit NodeRef(Node* node) : node_(node) {}  // Takes over a reference.
    NodeRef(const NodeRef& other);
    NodeRef(NodeRef&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
    NodeRef& operator=(NodeRef other) noexcept {
      std::swap(node_, other.node_);
      return *this;
    }
    ~NodeRef();

    const Node* get() const { return node_; }
    Node* release() { return std::exchange(node_, nullptr); }

   private:
    Node* node_ = nullptr;
  };

  void Append(uint64_t header, absl::string_view bytes);
  void Hold(int64_t bytes) const {
    if (held_bytes_ != nullptr) held_bytes_->fetch_add(bytes, std::memory_order_relaxed);
  }

  ByteCount* held_bytes_ = nullptr;
  NodeRef shared_;    // What came before the tail.
  std::string tail_;  // Entries, each: varint header, varint length, bytes.
  int64_t action_count_ = 0;
  int64_t entry_count_ = 0;
  int64_t size_bytes_ = 0;
};

// Reads a history from its start. The history must outlive the reader, and must neither be appended
// to nor forked nor moved meanwhile. Not thread-safe.
class History::Reader {
 public:
  explicit Reader(const History& history);

  // The next entry, or none at the end. Its bytes live as long as the reader.
  absl::optional<Entry> Next();

 private:
  NodeRef keep_alive_;
  std::vector<absl::string_view> parts_;  // Still to be read, the next one last.
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HISTORY_H_
