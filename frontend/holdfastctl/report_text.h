// Crash reports for people to read: lines of printable ASCII. What a report holds is not trusted.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_REPORT_TEXT_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_REPORT_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "proto/crash_report.pb.h"

namespace holdfast {

// The crash reports in a directory (ID.crash), the one last seen at the end; two lines of at most
// 80 columns for each. One that cannot be read says so. NotFound: there is no such directory.
absl::StatusOr<std::string> ListReports(const std::string& directory);

// All that is in a report but the program's bytes.
std::string ShowReport(const CrashReport& report);

// "104 KiB".
std::string FormatSize(uint64_t bytes);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_REPORT_TEXT_H_
