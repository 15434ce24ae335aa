// The scan of a StepRequest's bytes, against Protocol Buffers' own parser.
#include <grpcpp/support/slice.h>

#include <vector>

#include "common/varint.h"
#include "frontend/step_request.h"
#include "proto/compiler_gym_service.pb.h"
#include "tests/frontend/step_request_mirror.pb.h"
#include "tests/fuzz/fuzzing.h"

namespace holdfast {
namespace {

using compiler_gym::StepRequest;
using test::StepRequestMirror;

bool operator==(const StepRequestView& a, const StepRequestView& b) {
  return a.session_id == b.session_id && a.action_count == b.action_count &&
         a.observation_count == b.observation_count && a.actions == b.actions &&
         a.action_ends == b.action_ends;
}

std::vector<absl::string_view> Cut(absl::string_view bytes, const std::vector<uint8_t>& sizes) {
  std::vector<absl::string_view> pieces;
  for (const uint8_t size : sizes) {
    pieces.push_back(bytes.substr(0, size));
    bytes.remove_prefix(pieces.back().size());
  }
  pieces.push_back(bytes);
  return pieces;
}

// However the bytes are cut, the answer is the same.
void CheckSlices(const absl::StatusOr<StepRequestView>& whole,
                 const std::vector<absl::string_view>& pieces) {
  std::vector<grpc::Slice> slices;
  for (const absl::string_view piece : pieces) slices.emplace_back(piece.data(), piece.size());
  const grpc::ByteBuffer buffer(slices.data(), slices.size());
  for (const auto& cut : {ScanStepRequest(pieces), ScanStepRequest(buffer)}) {
    Require(cut.status() == whole.status(), "slices do not change the status");
    Require(!cut.ok() || *cut == *whole, "slices do not change the view");
  }
}

// What the history keeps of a request is what a worker that is given it will apply.
void CheckForwarded(const StepRequest& request, const StepRequestView& view) {
  for (int count = 0; count <= view.action_count; ++count) {
    StepRequest expected;
    expected.set_session_id(-7);
    for (int i = 0; i < count; ++i) *expected.add_action() = request.action(i);
    const size_t end = count == 0 ? 0 : view.action_ends[count - 1];
    StepRequest forwarded;
    Require(forwarded.ParseFromString(view.actions.substr(0, end) + EncodeSessionIdField(-7)),
            "a prefix of the actions is a request");
    Require(forwarded.SerializeAsString() == expected.SerializeAsString(),
            "a worker gets the actions that the client sent");
  }
}

void Check(const std::string& bytes, const std::vector<uint8_t>& cuts) {
  const absl::StatusOr<StepRequestView> view = ScanStepRequest({absl::string_view(bytes)});
  CheckSlices(view, Cut(bytes, cuts));
  // The mirror has the fields of StepRequest, but does not look into the actions.
  StepRequestMirror mirror;
  Require(mirror.ParseFromString(bytes) == view.ok(), "the scan accepts what the parser accepts");
  StepRequest request;
  const bool is_request = request.ParseFromString(bytes);
  Require(view.ok() || !is_request, "a request is not refused");
  if (!view.ok()) return;

  Require(view->session_id == mirror.session_id(), "the session's id is the parser's");
  Require(view->action_count == mirror.action_size(), "the number of actions is the parser's");
  Require(view->observation_count == mirror.observation_space_size(),
          "the number of observations is the parser's");
  Require(view->action_ends.size() == static_cast<size_t>(view->action_count), "each has an end");
  std::string actions;
  for (int i = 0; i < mirror.action_size(); ++i) {
    AppendVarint(2 << 3 | 2, &actions);
    AppendVarint(mirror.action(i).size(), &actions);
    actions += mirror.action(i);
    Require(view->action_ends[i] == actions.size(), "an action ends where the parser says");
  }
  Require(view->actions == actions, "the actions are the parser's");
  if (is_request) CheckForwarded(request, *view);

  StepRequest other;
  Require(!is_request || (other.ParseFromString(bytes + EncodeSessionIdField(123)) &&
                          other.session_id() == 123),
          "the session's id that is appended counts");
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  holdfast::SilenceProtobuf();
  FuzzedDataProvider input(data, size);
  std::vector<uint8_t> cuts(input.ConsumeIntegralInRange(0, 4));
  for (uint8_t& cut : cuts) cut = input.ConsumeIntegral<uint8_t>();
  holdfast::Check(input.ConsumeRemainingBytesAsString(), cuts);
  return 0;
}
