#include "frontend/history.h"

#include "common/varint.h"

namespace holdfast {
namespace {

// The header of an entry: this for a parameter; for a step, its number of actions times two.
constexpr uint64_t kParameterHeader = 1;

// A tail up to this size is not worth a node, which takes some 80 bytes: replays fork, too.
constexpr size_t kMaxCopied = 256;

uint64_t TakeVarint(absl::string_view* bytes) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const uint8_t byte = bytes->front();
    bytes->remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
}

}  // namespace

struct History::Node {
  // Takes over the count of `bytes`, which a tail has held so far.
  Node(NodeRef parent, std::string bytes, ByteCount* held_bytes)
      : parent(std::move(parent)), bytes(std::move(bytes)), held_bytes(held_bytes) {}
  ~Node() {
    if (held_bytes != nullptr) held_bytes->fetch_sub(bytes.size(), std::memory_order_relaxed);
  }

  NodeRef parent;
  const std::string bytes;
  ByteCount* const held_bytes;
  std::atomic<int64_t> references{1};
};

History::NodeRef::NodeRef(const NodeRef& other) : node_(other.node_) {
  if (node_ != nullptr) node_->references.fetch_add(1, std::memory_order_relaxed);
}

History::NodeRef::~NodeRef() {
  // A loop, because a session may be the fork of a fork of … a hundred thousand of them.
  while (node_ != nullptr && node_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    Node* const parent = node_->parent.release();
    delete node_;
    node_ = parent;
  }
}

History& History::operator=(History&& other) noexcept {
  Hold(-static_cast<int64_t>(tail_.size()));
  held_bytes_ = other.held_bytes_;
  shared_ = std::exchange(other.shared_, {});
  tail_ = std::exchange(other.tail_, {});
  action_count_ = std::exchange(other.action_count_, 0);
  entry_count_ = std::exchange(other.entry_count_, 0);
  size_bytes_ = std::exchange(other.size_bytes_, 0);
  return *this;
}

void History::AppendStep(absl::string_view actions, int64_t count) {
  Append(static_cast<uint64_t>(count) << 1, actions);
  action_count_ += count;
}

void History::AppendParameter(absl::string_view parameter) { Append(kParameterHeader, parameter); }

void History::Append(uint64_t header, absl::string_view bytes) {
  const size_t before = tail_.size();
  AppendVarint(header, &tail_);
  AppendVarint(bytes.size(), &tail_);
  tail_.append(bytes.data(), bytes.size());
  size_bytes_ += tail_.size() - before;
  Hold(static_cast<int64_t>(tail_.size() - before));
  ++entry_count_;
}

History History::Fork() {
  if (tail_.size() > kMaxCopied) {
    tail_.shrink_to_fit();
    shared_ = NodeRef(new Node(std::move(shared_), std::exchange(tail_, {}), held_bytes_));
  }
  History fork(held_bytes_);
  fork.shared_ = shared_;
  fork.tail_ = tail_;
  fork.Hold(static_cast<int64_t>(tail_.size()));
  fork.action_count_ = action_count_;
  fork.entry_count_ = entry_count_;
  fork.size_bytes_ = size_bytes_;
  return fork;
}

History::Reader::Reader(const History& history) : keep_alive_(history.shared_) {
  parts_.emplace_back(history.tail_);
  for (const Node* node = history.shared_.get(); node != nullptr; node = node->parent.get()) {
    parts_.emplace_back(node->bytes);
  }
}

absl::optional<History::Entry> History::Reader::Next() {
  while (!parts_.empty() && parts_.back().empty()) parts_.pop_back();
  if (parts_.empty()) return absl::nullopt;
  absl::string_view& part = parts_.back();
  const uint64_t header = TakeVarint(&part);
  const uint64_t size = TakeVarint(&part);
  Entry entry;
  entry.kind = header == kParameterHeader ? Entry::kParameter : Entry::kStep;
  entry.bytes = part.substr(0, size);
  entry.action_count = static_cast<int64_t>(header >> 1);
  part.remove_prefix(size);
  return entry;
}

}  // namespace holdfast
