#include "frontend/crash_reports/crash_report.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/byte_buffer.h"
#include "common/unique_fd.h"
#include "frontend/action_name.h"
#include "frontend/crash_reports/failure_site.h"

namespace holdfast {
namespace {

constexpr size_t kMaxNameSize = 200;
// What Protocol Buffers can read.
constexpr int64_t kMaxFileSize = std::numeric_limits<int32_t>::max();

// FNV-1a: the same in every process, which absl::Hash and std::hash are not.
class Digest {
 public:
  void Add(absl::string_view bytes) {
    // The size goes along, or {"ab", "c"} would be {"a", "bc"}.
    for (const char c : absl::StrCat(bytes.size(), ":")) AddByte(c);
    for (const char c : bytes) AddByte(c);
  }
  void Add(int64_t number) { Add(absl::StrCat(number)); }
  uint64_t value() const { return value_; }

 private:
  void AddByte(char c) { value_ = (value_ ^ static_cast<uint8_t>(c)) * 0x100000001b3; }

  uint64_t value_ = 0xcbf29ce484222325;
};

// Where a limit strikes is chance: what was being done tells more than where in it.
bool HasSite(WorkerFailure::Cause cause) {
  return cause == WorkerFailure::SIGNAL || cause == WorkerFailure::EXIT ||
         cause == WorkerFailure::LINK;
}

template <typename List>
bool IsIndexOf(int index, const List& list) {
  return index >= 0 && index < list.size();
}

compiler_gym::StepRequest StepOf(const CrashEvent& event) {
  compiler_gym::StepRequest step;
  if (event.step.has_value() && !Parse(*event.step, &step).ok()) step.Clear();
  return step;
}

std::string FailedAction(const CrashEvent& event, const compiler_gym::GetSpacesReply& spaces) {
  const compiler_gym::StepRequest step = StepOf(event);
  const int index = event.failure.activity_index();
  if (!IsIndexOf(index, step.action())) return absl::StrCat("action ", index);
  compiler_gym::Space space;
  if (IsIndexOf(event.origin.action_space, spaces.action_space_list())) {
    space = spaces.action_space_list(event.origin.action_space).space();
  }
  return ActionName(space, step.action(index));
}

std::string FailedObservation(const CrashEvent& event, const compiler_gym::GetSpacesReply& spaces) {
  const compiler_gym::StepRequest step = StepOf(event);
  const auto& requested = event.is_start ? event.start_observations : step.observation_space();
  const int index = event.failure.activity_index();
  if (!IsIndexOf(index, requested) ||
      !IsIndexOf(requested.Get(index), spaces.observation_space_list())) {
    return "observation";
  }
  return absl::StrCat("observation ", spaces.observation_space_list(requested.Get(index)).name());
}

std::string LastAction(const CrashEvent& event, const compiler_gym::GetSpacesReply& spaces) {
  // What the worker counts then are the history's actions, in calls of the front's choosing.
  if (event.failure.during() == kDuringRecovery) return kDuringRecovery;
  switch (event.failure.activity()) {
    case WorkerFailure::INIT:
      return "Init";
    case WorkerFailure::ACTION:
      return FailedAction(event, spaces);
    case WorkerFailure::END_OF_STEP:
      return "end of step";
    case WorkerFailure::OBSERVATION:
      return FailedObservation(event, spaces);
    case WorkerFailure::PARAMETER:
      return event.parameter.has_value() ? absl::StrCat("parameter ", event.parameter->key())
                                         : "parameter";
    case WorkerFailure::FINGERPRINT:
      return "fingerprint";
    default:
      return "";
  }
}

void CopyHistory(const History& history,
                 google::protobuf::RepeatedPtrField<HistoryEntry>* entries) {
  History::Reader reader(history);
  while (const absl::optional<History::Entry> entry = reader.Next()) {
    HistoryEntry* const copy = entries->Add();
    google::protobuf::Message* const message =
        entry->kind == History::Entry::kStep
            ? static_cast<google::protobuf::Message*>(copy->mutable_step())
            : copy->mutable_parameter();
    // A worker may have acknowledged what is malformed. Half of it could not be read back.
    if (!message->ParseFromArray(entry->bytes.data(), static_cast<int>(entry->bytes.size()))) {
      message->Clear();
    }
  }
}

void CopyCall(const CrashEvent& event, CrashReport* report) {
  if (event.is_start) {
    report->mutable_start()->set_action_space(event.origin.action_space);
    *report->mutable_start()->mutable_observation_space() = event.start_observations;
  } else if (event.step.has_value()) {
    *report->mutable_step() = StepOf(event);
    report->mutable_step()->clear_session_id();
  } else if (event.parameter.has_value()) {
    *report->mutable_parameter() = *event.parameter;
  }
}

absl::Status BadField(absl::string_view field, absl::string_view value, absl::string_view range) {
  return absl::InvalidArgumentError(absl::StrCat("not a crash report that can be read: ", field,
                                                 " is ", value, ", but must be ", range));
}

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, kMaxNameSize)), "\"");
}

absl::Status CheckReport(const CrashReport& report) {
  if (report.format() != kCrashReportFormat) {
    return BadField("format", absl::StrCat(report.format()), absl::StrCat(kCrashReportFormat));
  }
  if (!report.has_signature()) return BadField("signature", "missing", "there");
  if (const std::string id = CrashId(report.signature()); report.id() != id) {
    return BadField("id", Quoted(report.id()), absl::StrCat("\"", id, "\", as of the signature"));
  }
  if (report.benchmark().program().data_case() != compiler_gym::File::kContents) {
    return BadField("benchmark.program.contents", "missing", "there");
  }
  if (report.action_space() < 0) {
    return BadField("action_space", absl::StrCat(report.action_space()), "at least 0");
  }
  for (int i = 0; i < report.history_size(); ++i) {
    if (report.history(i).entry_case() == HistoryEntry::ENTRY_NOT_SET) {
      return BadField(absl::StrCat("history[", i, "]"), "empty", "a step or a parameter");
    }
  }
  if (!report.has_failure()) return BadField("failure", "missing", "there");
  if (!WorkerFailure::Cause_IsValid(report.failure().cause())) {
    return BadField("failure.cause", absl::StrCat(report.failure().cause()),
                    absl::StrCat("in [0, ", WorkerFailure::Cause_MAX, "]"));
  }
  return absl::OkStatus();
}

absl::Status ErrnoStatus(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(what, " ", path));
}

}  // namespace

CrashSignature SignatureOf(const CrashEvent& event, const DescribeReply& description) {
  const WorkerFailure& failure = event.failure;
  CrashSignature signature;
  signature.set_session_type(description.version().compiler_version());
  signature.set_cause(failure.cause());
  if (failure.cause() == WorkerFailure::SIGNAL) signature.set_signal(failure.signal());
  if (failure.cause() == WorkerFailure::EXIT) signature.set_exit_code(failure.exit_code());
  if (HasSite(failure.cause())) {
    for (std::string& line : FailureSite(failure.stderr_tail())) {
      signature.add_where(std::move(line));
    }
  }
  signature.set_last_action(LastAction(event, description.spaces()));
  return signature;
}

std::string CrashId(const CrashSignature& signature) {
  Digest digest;
  digest.Add(signature.session_type());
  digest.Add(signature.cause());
  digest.Add(signature.signal());
  digest.Add(signature.exit_code());
  digest.Add(signature.where_size());
  for (const std::string& line : signature.where()) digest.Add(line);
  digest.Add(signature.last_action());
  return absl::StrCat(absl::Hex(digest.value(), absl::kZeroPad16));
}

CrashReport MakeCrashReport(const CrashEvent& event, const DescribeReply& description) {
  CrashReport report;
  report.set_format(kCrashReportFormat);
  *report.mutable_signature() = SignatureOf(event, description);
  report.set_id(CrashId(report.signature()));
  *report.mutable_version() = description.version();
  if (event.origin.benchmark != nullptr) *report.mutable_benchmark() = *event.origin.benchmark;
  report.set_action_space(event.origin.action_space);
  const auto& spaces = description.spaces().action_space_list();
  if (IsIndexOf(event.origin.action_space, spaces)) {
    report.set_action_space_name(spaces.Get(event.origin.action_space).name());
  }
  CopyHistory(event.history, report.mutable_history());
  CopyCall(event, &report);
  *report.mutable_failure() = event.failure;
  report.mutable_failure()->set_stderr_tail(PrintableTail(event.failure.stderr_tail()));
  return report;
}

absl::StatusOr<CrashReport> ParseCrashReport(absl::string_view bytes) {
  CrashReport report;
  if (static_cast<int64_t>(bytes.size()) > kMaxFileSize ||
      !report.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a crash report: these ", bytes.size(), " bytes are no CrashReport"));
  }
  absl::Status status = CheckReport(report);
  if (!status.ok()) return status;
  return report;
}

absl::StatusOr<CrashReport> ReadCrashReport(const std::string& path) {
  // O_NONBLOCK: a FIFO must not hold us up.
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status;
  if (!file || fstat(file.get(), &status) != 0) return ErrnoStatus("cannot open", path);
  if (!S_ISREG(status.st_mode) || status.st_size > kMaxFileSize) {
    return absl::InvalidArgumentError(absl::StrCat("not a crash report: ", path,
                                                   " is no file of at most ", kMaxFileSize,
                                                   " bytes, but has ", status.st_size));
  }
  std::string bytes(static_cast<size_t>(status.st_size), '\0');
  size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t count = read(file.get(), &bytes[size], bytes.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus("cannot read", path);
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  absl::StatusOr<CrashReport> report = ParseCrashReport(absl::string_view(bytes.data(), size));
  if (!report.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", report.status().message()));
  }
  return report;
}

}  // namespace holdfast
