// Crash-report files, which anybody may have written; and reports of failures whose every text is
// the worker's or the client's.
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/byte_buffer.h"
#include "frontend/crash_reports/crash_report.h"
#include "tests/fuzz/fuzzing.h"

namespace holdfast {
namespace {

void CheckFile(const std::string& bytes) {
  const absl::StatusOr<CrashReport> report = ParseCrashReport(bytes);
  if (!report.ok()) {
    Require(absl::IsInvalidArgument(report.status()) &&
                absl::StartsWith(report.status().message(), "not a crash report"),
            "a refusal says what is wrong");
    return;
  }
  Require(report->format() == kCrashReportFormat && report->id() == CrashId(report->signature()) &&
              report->benchmark().program().has_contents() && report->has_failure(),
          "what a reader relies on is there");
  const absl::StatusOr<CrashReport> again = ParseCrashReport(report->SerializeAsString());
  Require(again.ok() && again->SerializeAsString() == report->SerializeAsString(),
          "a report that was read can be written");
}

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

CrashEvent ConsumeEvent(FuzzedDataProvider* input) {
  CrashEvent event;
  auto benchmark = std::make_shared<compiler_gym::Benchmark>();
  benchmark->set_uri("benchmark://fuzz-v0/1");
  benchmark->mutable_program()->set_contents(ConsumeString(input));
  event.origin = {benchmark, input->ConsumeIntegralInRange(0, 2)};
  event.failure.set_cause(static_cast<WorkerFailure::Cause>(
      input->ConsumeIntegralInRange<int>(0, WorkerFailure::Cause_MAX)));
  event.failure.set_signal(input->ConsumeIntegral<int8_t>());
  event.failure.set_exit_code(input->ConsumeIntegral<uint8_t>());
  event.failure.set_activity(static_cast<WorkerFailure::Activity>(
      input->ConsumeIntegralInRange<int>(0, WorkerFailure::Activity_MAX)));
  event.failure.set_activity_index(input->ConsumeIntegral<int8_t>());
  switch (input->ConsumeIntegralInRange(0, 3)) {
    case 0:
      event.is_start = true;
      event.start_observations.Add(input->ConsumeIntegral<int8_t>());
      break;
    case 1:
      event.step = BufferOf(ConsumeString(input));
      break;
    case 2:
      event.parameter.emplace();
      if (!event.parameter->ParseFromString(ConsumeString(input))) event.parameter.reset();
      break;
    default:
      break;
  }
  // Also what a worker has acknowledged although it is malformed.
  const std::string entry = ConsumeString(input);
  event.history.AppendStep(entry, 1);
  event.history.AppendParameter(entry);
  return event;
}

void CheckReport(FuzzedDataProvider* input) {
  CrashEvent event = ConsumeEvent(input);
  DescribeReply description;
  if (!description.ParseFromString(ConsumeString(input))) description.Clear();
  event.failure.set_stderr_tail(input->ConsumeRemainingBytesAsString());

  const CrashReport report = MakeCrashReport(event, description);
  const absl::StatusOr<CrashReport> read = ParseCrashReport(report.SerializeAsString());
  Require(read.ok(), absl::StrCat("what is written can be read: ", read.status().ToString()));
  Require(read->id() == CrashId(SignatureOf(event, description)), "the id is the signature's");
  for (const char c : report.failure().stderr_tail()) {
    Require(absl::ascii_isprint(c) || c == '\n', "only ASCII remains of stderr");
  }
  Require(report.signature().where_size() <= 4, "a signature is short");
  for (const std::string& line : report.signature().where()) {
    Require(!line.empty() && line.size() <= 200, "its lines are short");
  }
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  holdfast::SilenceProtobuf();
  FuzzedDataProvider input(data, size);
  if (input.ConsumeBool()) {
    holdfast::CheckReport(&input);
  } else {
    holdfast::CheckFile(input.ConsumeRemainingBytesAsString());
  }
  return 0;
}
