#include "frontend/crash_reports/crash_reporter.h"

#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/types/optional.h"
#include "frontend/crash_reports/crash_report.h"
#include "frontend/crash_reports/report_directory.h"
#include "frontend/failure_status.h"
#include "frontend/logging/log.h"

namespace holdfast {
namespace {

// Events that wait to be looked at keep programs and requests in memory.
constexpr size_t kMaxWaiting = 256;
constexpr int64_t kMaxWaitingBytes = 256 << 20;

// Whether the compiler, and not the supervisor, a caller or a stranger, is what failed.
bool IsOfTheCompiler(const WorkerFailure& failure) {
  if (IsFromOutside(failure)) return false;
  switch (failure.cause()) {
    case WorkerFailure::SIGNAL:
    case WorkerFailure::EXIT:
    case WorkerFailure::LINK:
    case WorkerFailure::MEMORY_LIMIT:
    case WorkerFailure::CPU_LIMIT:
    case WorkerFailure::FILE_LIMIT:
    case WorkerFailure::PROCESS_LIMIT:
      return true;
    case WorkerFailure::TIME_LIMIT:
      return IsOwnTimeLimit(failure);
    default:
      return false;
  }
}

int64_t ProgramSize(const CrashEvent& event) {
  const auto& benchmark = event.origin.benchmark;
  return benchmark == nullptr ? 0 : static_cast<int64_t>(benchmark->program().contents().size());
}

// At least what the event keeps in memory, which it may share with a session.
int64_t SizeOf(const CrashEvent& event) {
  return ProgramSize(event) + event.history.size_bytes() +
         static_cast<int64_t>(event.step.has_value() ? event.step->Length() : 0) +
         static_cast<int64_t>(event.failure.stderr_tail().size());
}

}  // namespace

// Outlives the reporter in the work that it has handed out.
class CrashReporter::Store : public std::enable_shared_from_this<Store> {
 public:
  Store(Options options, const WorkerDescription* description,
        std::function<void(absl::AnyInvocable<void()>)> run_blocking)
      : options_(std::move(options)),
        description_(description),
        run_blocking_(std::move(run_blocking)) {}

  absl::Status Start() {
    if (options_.max_reports == 0) return absl::OkStatus();
    absl::StatusOr<ReportDirectory> directory =
        ReportDirectory::Open(options_.directory, {options_.max_reports, options_.max_bytes});
    if (!directory.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--crash_report_dir: ", directory.status().message()));
    }
    absl::MutexLock lock(&mutex_);
    directory_ = *std::move(directory);
    is_started_ = true;
    CountFiles();
    return absl::OkStatus();
  }

  void Report(CrashEvent event) {
    if (!IsOfTheCompiler(event.failure)) return;
    const int64_t size = SizeOf(event);
    {
      absl::MutexLock lock(&mutex_);
      if (!is_started_) return;
      // One event is taken whatever its size: it was in memory anyway.
      if (waiting_.size() >= kMaxWaiting ||
          (!waiting_.empty() && waiting_bytes_ > kMaxWaitingBytes - size)) {
        ++stats_.dropped;
        return;
      }
      waiting_bytes_ += size;
      waiting_.push_back(std::move(event));
      if (std::exchange(is_working_, true)) return;
    }
    run_blocking_([self = shared_from_this()] { self->Work(); });
  }

  Stats GetStats() const {
    absl::MutexLock lock(&mutex_);
    return stats_;
  }

 private:
  void Work() {
    while (absl::optional<CrashEvent> event = Next()) Handle(*event);
  }

  absl::optional<CrashEvent> Next() {
    absl::MutexLock lock(&mutex_);
    is_working_ = !waiting_.empty();
    if (!is_working_) return absl::nullopt;
    CrashEvent event = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= SizeOf(event);
    return event;
  }

  // Only one thread at a time is in here.
  void Handle(const CrashEvent& event) {
    const WorkerDescription::Described described = description_->Get();
    const DescribeReply& description =
        described == nullptr ? DescribeReply::default_instance() : *described;
    const std::string id = CrashId(SignatureOf(event, description));
    const bool is_duplicate = directory_.Touch(id);
    const absl::Status status = is_duplicate ? absl::OkStatus() : Write(event, description, id);

    absl::MutexLock lock(&mutex_);
    ++(is_duplicate ? stats_.duplicates : status.ok() ? stats_.written : stats_.failed);
    CountFiles();
  }

  absl::Status Write(const CrashEvent& event, const DescribeReply& description,
                     const std::string& id) {
    absl::Status status;
    // Asked first, because a report is a copy of it all.
    if (const int64_t size = ProgramSize(event); size > options_.max_bytes) {
      status = absl::ResourceExhaustedError(
          absl::StrCat("its program has ", size, " bytes, and all may have ", options_.max_bytes));
    } else {
      CrashReport report = MakeCrashReport(event, description);
      report.set_worker(options_.worker);
      *report.mutable_worker_flags() = {options_.worker_flags.begin(), options_.worker_flags.end()};
      report.set_time_micros(absl::GetCurrentTimeNanos() / 1000);
      std::string bytes;
      status = report.SerializeToString(&bytes)
                   ? directory_.Write(id, bytes)
                   : absl::ResourceExhaustedError("it is larger than a message may be");
    }
    const std::string file = absl::StrCat(id, kCrashReportSuffix);
    if (status.ok()) {
      LogInfo(Subsystem::kCrashReports, "crash report written",
              {LogField::Session(event.session), {"worker", event.worker}, {"report", file}});
    } else if (last_error_ != status.message()) {  // Once: it may happen with each failure.
      LogWarning(Subsystem::kCrashReports, "crash report not written",
                 {LogField::Session(event.session),
                  {"worker", event.worker},
                  {"report", file},
                  {"why", status.message()}});
    }
    last_error_ = std::string(status.message());
    return status;
  }

  void CountFiles() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    stats_.reports = directory_.reports();
    stats_.bytes = directory_.bytes();
  }

  const Options options_;
  const WorkerDescription* const description_;
  const std::function<void(absl::AnyInvocable<void()>)> run_blocking_;

  // Of the one thread that works, after Start().
  ReportDirectory directory_;
  std::string last_error_;

  mutable absl::Mutex mutex_;
  bool is_started_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_working_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<CrashEvent> waiting_ ABSL_GUARDED_BY(mutex_);
  int64_t waiting_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  Stats stats_ ABSL_GUARDED_BY(mutex_);
};

CrashReporter::CrashReporter(Options options, const WorkerDescription* description,
                             std::function<void(absl::AnyInvocable<void()>)> run_blocking)
    : store_(std::make_shared<Store>(std::move(options), description, std::move(run_blocking))) {}

CrashReporter::~CrashReporter() = default;

absl::Status CrashReporter::Start() { return store_->Start(); }

void CrashReporter::Report(CrashEvent event) { store_->Report(std::move(event)); }

CrashReporter::Stats CrashReporter::GetStats() const { return store_->GetStats(); }

}  // namespace holdfast
