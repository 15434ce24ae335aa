// Where in the compiler a worker failed, read from what it wrote to stderr. Pure functions.
#ifndef HOLDFAST_FRONTEND_CRASH_REPORTS_FAILURE_SITE_H_
#define HOLDFAST_FRONTEND_CRASH_REPORTS_FAILURE_SITE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace holdfast {

// Of the last stack trace in `stderr_tail` (any bytes) that has the form of absl's failure signal
// handler, the innermost frames, at most four, by symbol or, without one, by address in the binary.
// Empty if there is no trace.
std::vector<std::string> InnermostFrames(absl::string_view stderr_tail);

// The lines of `stderr_tail` that belong to no stack trace and have a letter in them, stripped:
// what the compiler said, such as "LLVM ERROR: out of memory".
std::vector<std::string> SpokenLines(absl::string_view stderr_tail);

// What `stderr_tail` tells, the same for the same failure in every process: the innermost frames;
// without a trace, the last spoken line, its numbers replaced by '#'. Empty if there is neither.
std::vector<std::string> FailureSite(absl::string_view stderr_tail);

// The last 4 KiB of `text`, with '?' for all that is neither printable ASCII nor a newline.
std::string PrintableTail(absl::string_view text);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_CRASH_REPORTS_FAILURE_SITE_H_
