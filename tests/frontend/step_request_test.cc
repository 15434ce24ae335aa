#include "frontend/step_request.h"

#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "common/varint.h"
#include "proto/compiler_gym_service.pb.h"
#include "tests/frontend/step_request_mirror.pb.h"

namespace holdfast {
namespace {

using compiler_gym::StepRequest;
using test::StepRequestMirror;

// Deterministic random numbers.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int Below(int limit) { return static_cast<int>(engine_() % limit); }
  bool OneIn(int n) { return Below(n) == 0; }
  // Of all magnitudes alike.
  uint64_t Number() { return engine_() >> Below(64); }
  std::string Bytes(int size) {
    std::string bytes;
    while (size-- > 0) bytes.push_back(static_cast<char>(engine_()));
    return bytes;
  }

 private:
  std::mt19937_64 engine_;
};

// Sometimes longer than needed, now and then too long.
void AppendSloppyVarint(uint64_t value, Random* random, std::string* out) {
  AppendVarint(value, out);
  if (!random->OneIn(8)) return;
  out->back() |= 0x80;
  out->append(random->Below(11), '\x80');
  out->push_back(random->OneIn(4) ? random->Below(128) : 0);
}

std::string RandomAction(Random* random) {
  compiler_gym::Event event;
  switch (random->Below(4)) {
    case 0:
      return random->Bytes(random->Below(6));  // Hardly ever an Event.
    case 1:
      event.set_string_value(std::string(random->Below(300), 's'));
      break;
    case 2:
      event.mutable_event_list()->add_event()->set_boolean_value(true);
      break;
    default:
      event.set_int64_value(random->Number());
  }
  return event.SerializeAsString();
}

void AppendRandomFields(int count, int depth, Random* random, std::string* out);

void AppendRandomField(int depth, Random* random, std::string* out) {
  uint32_t field = 1 + random->Below(4);
  if (random->OneIn(8)) field = random->Number() & 0x1fffffff;
  uint32_t type = random->OneIn(50) ? random->Below(8) : random->Below(6);
  if (field <= 3 && !random->OneIn(4)) {
    type = field == 1 ? 0 : field == 2 ? 2 : 2 * random->Below(2);
  }
  if (type == 4 && !random->OneIn(20)) type = 3;
  AppendSloppyVarint(field << 3 | type, random, out);
  switch (type) {
    case 0:
      AppendSloppyVarint(random->Number(), random, out);
      break;
    case 1:
      out->append(random->Bytes(8));
      break;
    case 2: {
      std::string payload;
      if (field == 2) {
        payload = RandomAction(random);
      } else {
        for (int i = random->Below(5); i > 0; --i) {
          AppendSloppyVarint(random->Number(), random, &payload);
        }
      }
      AppendSloppyVarint(payload.size(), random, out);
      out->append(payload);
      break;
    }
    case 3:
      if (depth < 4) AppendRandomFields(random->Below(3), depth + 1, random, out);
      AppendSloppyVarint((random->OneIn(20) ? field + 1 : field) << 3 | 4, random, out);
      break;
    case 5:
      out->append(random->Bytes(4));
      break;
  }
}

void AppendRandomFields(int count, int depth, Random* random, std::string* out) {
  while (count-- > 0) AppendRandomField(depth, random, out);
}

void Mutate(Random* random, std::string* bytes) {
  if (bytes->empty()) return;
  const size_t at = random->Below(bytes->size());
  switch (random->Below(5)) {
    case 0:
      bytes->resize(at);
      break;
    case 1:
      (*bytes)[at] ^= 1 << random->Below(8);
      break;
    case 2:
      bytes->erase(at, 1 + random->Below(3));
      break;
    case 3:
      bytes->insert(at, random->Bytes(1 + random->Below(3)));
      break;
    case 4:
      bytes->insert(at, bytes->substr(random->Below(bytes->size()), random->Below(20)));
      break;
  }
}

// Cuts at random places, sometimes more than once at the same one.
std::vector<absl::string_view> Slice(absl::string_view bytes, Random* random) {
  std::vector<absl::string_view> slices;
  const int max_size = 1 + random->Below(2 * bytes.size() + 2);
  while (!bytes.empty()) {
    slices.push_back(bytes.substr(0, random->Below(max_size + 1)));
    bytes.remove_prefix(slices.back().size());
  }
  return slices;
}

absl::StatusOr<StepRequestView> Scan(absl::string_view bytes) { return ScanStepRequest({bytes}); }

void ExpectEqual(const StepRequestView& a, const StepRequestView& b) {
  EXPECT_EQ(a.session_id, b.session_id);
  EXPECT_EQ(a.action_count, b.action_count);
  EXPECT_EQ(a.observation_count, b.observation_count);
  EXPECT_EQ(a.actions, b.actions);
  EXPECT_EQ(a.action_ends, b.action_ends);
}

// Compares the scan with Protocol Buffers' parser. Returns whether both accept `bytes`.
bool Check(const std::string& bytes) {
  SCOPED_TRACE(absl::BytesToHexString(bytes));
  const absl::StatusOr<StepRequestView> view = Scan(bytes);
  StepRequestMirror mirror;
  const bool valid = mirror.ParseFromString(bytes);
  EXPECT_EQ(view.ok(), valid) << view.status();
  if (!view.ok()) {
    EXPECT_TRUE(absl::IsInvalidArgument(view.status()));
    EXPECT_TRUE(absl::StartsWith(view.status().message(), "malformed StepRequest: "));
  }

  // The real message is refused for the inside of its actions too, but for nothing else.
  StepRequest request;
  const bool request_valid = request.ParseFromString(bytes);
  EXPECT_TRUE(valid || !request_valid);
  if (!view.ok() || !valid) return false;

  EXPECT_EQ(view->session_id, mirror.session_id());
  EXPECT_EQ(view->action_count, mirror.action_size());
  EXPECT_EQ(view->observation_count, mirror.observation_space_size());
  EXPECT_EQ(view->action_ends.size(), mirror.action_size());
  if (view->action_ends.size() != static_cast<size_t>(mirror.action_size())) return true;

  // Any prefix of `actions` is a request with just these actions.
  StepRequestMirror actions;
  for (int i = 0; i < mirror.action_size(); ++i) {
    *actions.add_action() = mirror.action(i);
    EXPECT_EQ(view->actions.substr(0, view->action_ends[i]), actions.SerializeAsString());
  }
  EXPECT_EQ(view->actions, actions.SerializeAsString()) << "nothing beyond the last action";

  if (request_valid) {
    StepRequest expected;
    *expected.mutable_action() = request.action();
    StepRequest replayed;
    EXPECT_TRUE(replayed.ParseFromString(view->actions));
    EXPECT_EQ(replayed.SerializeAsString(), expected.SerializeAsString());
  }
  return true;
}

grpc::ByteBuffer BufferOf(const std::vector<absl::string_view>& pieces) {
  std::vector<grpc::Slice> slices;
  for (const absl::string_view piece : pieces) slices.emplace_back(piece.data(), piece.size());
  return grpc::ByteBuffer(slices.data(), slices.size());
}

void CheckSliced(const std::string& bytes, Random* random) {
  SCOPED_TRACE(absl::BytesToHexString(bytes));
  const absl::StatusOr<StepRequestView> whole = Scan(bytes);
  const std::vector<absl::string_view> slices = Slice(bytes, random);
  for (const auto& sliced : {ScanStepRequest(slices), ScanStepRequest(BufferOf(slices))}) {
    EXPECT_EQ(sliced.status(), whole.status());
    if (sliced.ok() && whole.ok()) ExpectEqual(*sliced, *whole);
  }
}

TEST(StepRequestTest, UsualRequest) {
  StepRequest request;
  request.set_session_id(0x7123456789abcdef);
  request.add_action()->set_int64_value(-7);
  request.add_action()->set_string_value("-O3");
  request.add_observation_space(2);
  request.add_observation_space(0);
  request.add_observation_space(2);
  const absl::StatusOr<StepRequestView> view = Scan(request.SerializeAsString());
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->session_id, request.session_id());
  EXPECT_EQ(view->action_count, 2);
  EXPECT_EQ(view->observation_count, 3);
  StepRequest first;
  ASSERT_TRUE(first.ParseFromString(view->actions.substr(0, view->action_ends[0])));
  ASSERT_EQ(first.action_size(), 1);
  EXPECT_EQ(first.action(0).int64_value(), -7);
  EXPECT_EQ(view->action_ends[1], view->actions.size());
  Check(request.SerializeAsString());
}

TEST(StepRequestTest, Empty) {
  EXPECT_TRUE(Check(""));
  EXPECT_TRUE(ScanStepRequest(absl::Span<const absl::string_view>()).ok());
  EXPECT_TRUE(ScanStepRequest(BufferOf({""})).ok());
  EXPECT_FALSE(ScanStepRequest(grpc::ByteBuffer()).ok());
}

TEST(StepRequestTest, LastSessionIdWins) {
  const auto view = Scan(EncodeSessionIdField(1) + EncodeSessionIdField(-5));
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->session_id, -5);
}

TEST(StepRequestTest, MessageSaysWhere) {
  EXPECT_EQ(Scan(absl::string_view("\x08\x05\x12\x7f", 4)).status().message(),
            "malformed StepRequest: bad field 2 at byte 2");
  EXPECT_EQ(Scan(absl::string_view("\x08\x05\x00", 3)).status().message(),
            "malformed StepRequest: bad tag at byte 2");
}

// At each limit of the parser, on either side.
TEST(StepRequestTest, Limits) {
  const std::string more(4, '\x80');
  for (int size = 1; size <= 12; ++size) {
    for (const char last : {0x00, 0x01, 0x02, 0x07, 0x08, 0x0f, 0x10, 0x7f}) {
      std::string varint = std::string(size - 1, '\x81') + last;
      Check("\x08" + varint);                                            // A session id,
      Check("\x18" + varint);                                            // an observation,
      Check("\x1a" + std::string(1, static_cast<char>(size)) + varint);  // a packed one,
      Check("\x1a" + std::string(1, static_cast<char>(size + 1)) + varint + "\x80");
      Check(varint + std::string(20, '\x01'));  // a tag,
      varint = std::string(1, '\x84') + std::string(size - 1, '\x80') + last;
      Check("\x12" + varint + "\x22\x02hi");  // the size of an action,
      Check("\x22" + varint + "\x22\x02hi");  // of something unknown.
    }
  }
  for (int depth = 98; depth <= 102; ++depth) {
    const std::string nested = std::string(depth, '\x23') + std::string(depth, '\x24');
    EXPECT_EQ(Check(nested), depth <= 100) << depth;
  }
  EXPECT_FALSE(Check(std::string(1000000, '\x23')));
}

TEST(StepRequestTest, AgreesWithTheParserOnAnyTwoBytes) {
  for (int i = 0; i < 1 << 16; ++i) {
    const std::string bytes = {static_cast<char>(i), static_cast<char>(i >> 8)};
    Check(bytes);
    Check(bytes + std::string(2, '\x01') + bytes);
  }
}

TEST(StepRequestTest, AgreesWithTheParserOnRandomRequests) {
  constexpr int kInputs = 200000;
  google::protobuf::LogSilencer no_complaints_about_utf8;
  int accepted = 0;
  for (int seed = 0; seed < kInputs && !testing::Test::HasFailure(); ++seed) {
    Random random(seed);
    std::string bytes;
    AppendRandomFields(random.Below(7), 0, &random, &bytes);
    if (random.OneIn(2)) {
      for (int i = 1 + random.Below(3); i > 0; --i) Mutate(&random, &bytes);
    }
    if (Check(bytes)) ++accepted;
    CheckSliced(bytes, &random);
  }
  // Both sides are well covered.
  EXPECT_GT(accepted, kInputs / 4);
  EXPECT_LT(accepted, kInputs * 3 / 4);
}

TEST(StepRequestTest, LargeActionAcrossSlices) {
  Random random(1);
  StepRequest request;
  request.add_action()->set_string_value(std::string(3000000, 'x'));
  request.set_session_id(9);
  const std::string bytes = request.SerializeAsString();
  ASSERT_TRUE(Check(bytes));
  for (int i = 0; i < 10; ++i) CheckSliced(bytes, &random);
}

TEST(StepRequestTest, EncodedSessionIdOverrides) {
  Random random(1);
  for (int i = 0; i < 1000; ++i) {
    const int64_t id = i == 0   ? std::numeric_limits<int64_t>::min()
                       : i == 1 ? 0
                                : static_cast<int64_t>(random.Number());
    StepRequest request;
    request.set_session_id(random.Number());
    request.add_observation_space(3);
    StepRequest changed;
    ASSERT_TRUE(changed.ParseFromString(request.SerializeAsString() + EncodeSessionIdField(id)));
    request.set_session_id(id);
    EXPECT_EQ(changed.SerializeAsString(), request.SerializeAsString());

    compiler_gym::ForkSessionRequest fork;
    ASSERT_TRUE(fork.ParseFromString(EncodeSessionIdField(id)));
    EXPECT_EQ(fork.session_id(), id);
  }
}

}  // namespace
}  // namespace holdfast
