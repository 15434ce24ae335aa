// Where in the compiler a worker failed, read from what it wrote to stderr. Pure functions.
#ifndef HOLDFAST_FRONTEND_CRASH_REPORTS_FAILURE_SITE_H_
#define HOLDFAST_FRONTEND_CRASH_REPORTS_FAILURE_SITE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace holdfast {

// What `stderr_tail` (any bytes) tells, the same for the same failure in every process: of the last
// stack trace in the form of absl's failure signal handler, the innermost frames, by symbol or,
// without one, by address in the binary; without a trace, the last line with a letter in it, its
// numbers replaced by '#'. Empty if there is neither.
std::vector<std::string> FailureSite(absl::string_view stderr_tail);

// The last 4 KiB of `text`, with '?' for all that is neither printable ASCII nor a newline.
std::string PrintableTail(absl::string_view text);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_CRASH_REPORTS_FAILURE_SITE_H_
