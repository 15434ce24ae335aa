// Crash-report files: what is in one, and how it is read back.
#ifndef HOLDFAST_FRONTEND_CRASH_REPORTS_CRASH_REPORT_H_
#define HOLDFAST_FRONTEND_CRASH_REPORTS_CRASH_REPORT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "frontend/crash_reports/crash_event.h"
#include "proto/compiler_gym_service.pb.h"
#include "proto/crash_report.pb.h"
#include "proto/worker_control.pb.h"

namespace holdfast {

inline constexpr int kCrashReportFormat = 1;
// A report's file is named ID.crash.
inline constexpr char kCrashReportSuffix[] = ".crash";

// What makes this failure the same as another: see CrashSignature. `description` is the workers'.
// Pure. Where a limit struck is chance, so `where` is empty then.
CrashSignature SignatureOf(const CrashEvent& event, const DescribeReply& description);
// 16 hexadecimal digits, the same in every build and process.
std::string CrashId(const CrashSignature& signature);

// The whole report, but for `worker`, `worker_flags` and `time_micros`. As large as benchmark and
// history together.
CrashReport MakeCrashReport(const CrashEvent& event, const DescribeReply& description);

// Reads what a file holds; untrusted. InvalidArgument names what is wrong with it: not a report,
// another format, a required field that is missing.
absl::StatusOr<CrashReport> ParseCrashReport(absl::string_view bytes);
// Likewise; NotFound if there is no such file.
absl::StatusOr<CrashReport> ReadCrashReport(const std::string& path);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_CRASH_REPORTS_CRASH_REPORT_H_
