#include "frontend/step_request.h"

#include <grpcpp/support/slice.h>

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/varint.h"

namespace holdfast {
namespace {

// Wire types; 6 and 7 do not exist.
enum WireType {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kStartGroup = 3,
  kEndGroup = 4,
  kFixed32 = 5
};

constexpr uint32_t Tag(uint32_t field, WireType type) { return field << 3 | type; }

constexpr uint32_t kSessionId = Tag(1, kVarint);
constexpr uint32_t kAction = Tag(2, kBytes);
constexpr uint32_t kObservation = Tag(3, kVarint);
constexpr uint32_t kPackedObservations = Tag(3, kBytes);

// The limits of Protocol Buffers' own parser.
constexpr int kMaxVarintBytes = 10;
constexpr int kMaxTagBytes = 5;
constexpr int kMaxSizeBytes = 5;
constexpr int kMaxGroupDepth = 100;

// Walks over bytes that lie in pieces. All methods return false, at an unspecified position, if
// what they should read is malformed or truncated.
class Cursor {
 public:
  Cursor(absl::Span<const absl::string_view> slices, size_t size) : next_(slices), left_(size) {}

  size_t left() const { return left_; }

  // Bits beyond the 64th are dropped.
  bool ReadVarint(int max_bytes, uint64_t* value) {
    *value = 0;
    for (int i = 0; i < max_bytes; ++i) {
      if (left_ == 0) return false;
      --left_;
      Refill();
      const uint8_t byte = piece_.front();
      piece_.remove_prefix(1);
      *value |= uint64_t{byte & 0x7fu} << (7 * i);
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool ReadTag(uint32_t* tag) {
    uint64_t value;
    if (!ReadVarint(kMaxTagBytes, &value)) return false;
    *tag = static_cast<uint32_t>(value);
    return *tag >> 3 != 0;  // There is no field 0.
  }

  bool ReadSize(uint64_t* size) { return ReadVarint(kMaxSizeBytes, size) && *size <= left_; }

  // Calls `visit` with each piece of the next `size` bytes.
  template <typename Visit>
  bool Take(uint64_t size, Visit visit) {
    if (size > left_) return false;
    left_ -= size;
    while (size > 0) {
      Refill();
      const absl::string_view part = piece_.substr(0, size);
      visit(part);
      piece_.remove_prefix(part.size());
      size -= part.size();
    }
    return true;
  }

  bool Skip(uint64_t size) {
    return Take(size, [](absl::string_view) {});
  }

  // Skips the field that began with `tag`.
  bool SkipField(uint32_t tag, int group_depth = 0) {
    uint64_t value;
    switch (tag & 7) {
      case kVarint:
        return ReadVarint(kMaxVarintBytes, &value);
      case kFixed64:
        return Skip(8);
      case kBytes:
        return ReadSize(&value) && Skip(value);
      case kStartGroup:
        return group_depth < kMaxGroupDepth && SkipGroup(tag, group_depth + 1);
      case kFixed32:
        return Skip(4);
      default:
        return false;
    }
  }

 private:
  bool SkipGroup(uint32_t start_tag, int group_depth) {
    const uint32_t end_tag = start_tag - kStartGroup + kEndGroup;
    uint32_t tag;
    while (ReadTag(&tag)) {
      if (tag == end_tag) return true;
      if (!SkipField(tag, group_depth)) return false;
    }
    return false;
  }

  // Moves on to a piece that is not empty; there must be one.
  void Refill() {
    while (piece_.empty()) {
      piece_ = next_.front();
      next_.remove_prefix(1);
    }
  }

  absl::string_view piece_;
  absl::Span<const absl::string_view> next_;
  size_t left_;  // In piece_ and next_.
};

bool ReadAction(Cursor* cursor, StepRequestView* view) {
  uint64_t size;
  if (!cursor->ReadSize(&size)) return false;
  // Encoded anew, because a request may spell tag and size longer than needed.
  AppendVarint(kAction, &view->actions);
  AppendVarint(size, &view->actions);
  cursor->Take(size,
               [view](absl::string_view part) { view->actions.append(part.data(), part.size()); });
  view->action_ends.push_back(static_cast<uint32_t>(view->actions.size()));
  ++view->action_count;
  return true;
}

bool ReadPackedObservations(Cursor* cursor, StepRequestView* view) {
  uint64_t size;
  if (!cursor->ReadSize(&size)) return false;
  int unfinished = 0;  // Bytes of a varint whose last byte is still to come.
  bool valid = true;
  cursor->Take(size, [&](absl::string_view part) {
    for (const uint8_t byte : part) {
      if (byte < 0x80) {
        unfinished = 0;
        ++view->observation_count;
      } else if (++unfinished == kMaxVarintBytes) {
        valid = false;
      }
    }
  });
  return valid && unfinished == 0;
}

bool ReadField(uint32_t tag, Cursor* cursor, StepRequestView* view) {
  uint64_t value;
  switch (tag) {
    case kSessionId:
      if (!cursor->ReadVarint(kMaxVarintBytes, &value)) return false;
      view->session_id = static_cast<int64_t>(value);
      return true;
    case kAction:
      return ReadAction(cursor, view);
    case kObservation:
      ++view->observation_count;
      return cursor->ReadVarint(kMaxVarintBytes, &value);
    case kPackedObservations:
      return ReadPackedObservations(cursor, view);
    default:
      return cursor->SkipField(tag);
  }
}

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed StepRequest: ", what));
}

}  // namespace

absl::StatusOr<StepRequestView> ScanStepRequest(absl::Span<const absl::string_view> slices) {
  size_t size = 0;
  for (const absl::string_view slice : slices) size += slice.size();
  if (size > std::numeric_limits<int>::max()) return Malformed("larger than 2 GiB");

  StepRequestView view;
  Cursor cursor(slices, size);
  while (cursor.left() > 0) {
    const size_t offset = size - cursor.left();
    uint32_t tag;
    if (!cursor.ReadTag(&tag)) return Malformed(absl::StrCat("bad tag at byte ", offset));
    if (!ReadField(tag, &cursor, &view)) {
      return Malformed(absl::StrCat("bad field ", tag >> 3, " at byte ", offset));
    }
  }
  return view;
}

absl::StatusOr<StepRequestView> ScanStepRequest(const grpc::ByteBuffer& request) {
  const auto bytes = [](const grpc::Slice& slice) {
    return absl::string_view(reinterpret_cast<const char*>(slice.begin()), slice.size());
  };
  if (grpc::Slice slice; request.Valid() && request.TrySingleSlice(&slice).ok()) {
    return ScanStepRequest({bytes(slice)});
  }
  std::vector<grpc::Slice> slices;
  if (!request.Valid() || !request.Dump(&slices).ok()) return Malformed("no message");
  std::vector<absl::string_view> views(slices.size());
  std::transform(slices.begin(), slices.end(), views.begin(), bytes);
  return ScanStepRequest(views);
}

std::string EncodeSessionIdField(int64_t session_id) {
  std::string field;
  AppendVarint(kSessionId, &field);
  AppendVarint(static_cast<uint64_t>(session_id), &field);
  return field;
}

}  // namespace holdfast
