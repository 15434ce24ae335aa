// Reads what the front must know of a StepRequest from its raw bytes, which it forwards as they
// are.
#ifndef HOLDFAST_FRONTEND_STEP_REQUEST_H_
#define HOLDFAST_FRONTEND_STEP_REQUEST_H_

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace holdfast {

// A plain value, as thread-safe as one.
struct StepRequestView {
  int64_t session_id = 0;
  int action_count = 0;
  int observation_count = 0;
  // A copy of the `action` fields, one after another: a StepRequest by itself, for the history.
  std::string actions;
  // For each action, the offset in `actions` just after it: any prefix of actions is a substring.
  std::vector<uint32_t> action_ends;
};

// Reads the top-level fields as Protocol Buffers would: the last session_id wins, a known field
// with a foreign wire type is an unknown one, unknown fields are skipped. What is inside an action
// is not looked at: the worker checks that. INVALID_ARGUMENT "malformed StepRequest: ..." if
// Protocol Buffers would refuse the request for anything but the inside of an action. Thread-safe.
//
// The request is the concatenation of `slices`; fields may straddle them.
absl::StatusOr<StepRequestView> ScanStepRequest(absl::Span<const absl::string_view> slices);
absl::StatusOr<StepRequestView> ScanStepRequest(const grpc::ByteBuffer& request);

// Bytes that set field 1, an int64, of the message to whose bytes they are appended: the last value
// of a field wins.
std::string EncodeSessionIdField(int64_t session_id);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_STEP_REQUEST_H_
