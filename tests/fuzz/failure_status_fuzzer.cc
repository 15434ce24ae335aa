// Texts of a failure: whatever a worker writes to stderr or answers, the client gets a status that
// its connection survives, and details that it can parse.
#include <google/protobuf/any.pb.h>

#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "common/status.h"
#include "frontend/failure_status.h"
#include "tests/fuzz/fuzzing.h"
#include "tests/fuzz/wire_size.h"

namespace holdfast {
namespace {

bool IsAscii(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isascii(c); });
}

void CheckFailure(grpc::StatusCode code, const std::string& message, const WorkerFailure& failure) {
  const grpc::Status status = MakeFailureStatus(code, message, failure);
  Require(SizeOnWire(status) <= kMaxStatusOnWire, "a failure fits");
  StatusDetails details;
  Require(details.ParseFromString(status.error_details()), "the details are a message");
  Require(details.code() == code && details.message() == status.error_message(),
          "the details repeat the status");
  WorkerFailure told;
  Require(details.details_size() == 1 && details.details(0).UnpackTo(&told),
          "the details hold the failure");
  Require(IsAscii(details.message()) && IsAscii(told.stderr_tail()), "only ASCII remains");
  Require(told.signal() == failure.signal() && told.cause() == failure.cause(),
          "the failure is the same");
  const std::string line = DescribeFailure(failure);
  Require(!absl::StrContains(line, '\n') && line.size() < 1000, "a description is one line");
}

void CheckSessionStatus(WorkerMethod method, const grpc::Status& said) {
  const grpc::Status status = TranslateSessionStatus(method, said);
  Require(SizeOnWire(status) <= kMaxStatusOnWire, "a session's status fits");
  Require(!status.ok(), "an error stays an error");
  Require(status.error_code() != grpc::StatusCode::UNAVAILABLE, "UNAVAILABLE would be re-sent");
  Require(!absl::StartsWith(status.error_message(), "Session not found"),
          "only the front says that a session is not found");
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;  // NOLINT(google-build-using-namespace): the entry point is outside.
  SilenceProtobuf();
  FuzzedDataProvider input(data, size);
  const auto code = static_cast<grpc::StatusCode>(input.ConsumeIntegralInRange(1, 16));
  const auto method = static_cast<WorkerMethod>(input.ConsumeIntegralInRange(0, 5));
  WorkerFailure failure;
  failure.set_cause(static_cast<WorkerFailure::Cause>(
      input.ConsumeIntegralInRange<int>(0, WorkerFailure::Cause_MAX)));
  failure.set_signal(input.ConsumeIntegral<int32_t>());
  failure.set_exit_code(input.ConsumeIntegral<int32_t>());
  failure.set_peak_rss_bytes(input.ConsumeIntegral<int64_t>());
  failure.set_actions_applied(input.ConsumeIntegral<int64_t>());
  // Long texts, at little cost for the fuzzer.
  const int repeat = 1 << input.ConsumeIntegralInRange(0, 12);
  std::string message = ConsumeString(&input);
  const std::string text = input.ConsumeRemainingBytesAsString();
  std::string* const stderr_tail = failure.mutable_stderr_tail();
  for (int i = 0; i < repeat && stderr_tail->size() < 8192; ++i) stderr_tail->append(text);
  if (message.size() * repeat < 8192) {
    for (int left = repeat; left > 1; left /= 2) message += message;
  }
  CheckFailure(code, message, failure);
  CheckSessionStatus(method, grpc::Status(code, message));
  return 0;
}
