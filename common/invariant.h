// What must hold in our own bookkeeping. A broken invariant ends a debug build; in release it is
// reported and counted, and the service goes on: a supervisor does not die of its own bookkeeping.
#ifndef HOLDFAST_COMMON_INVARIANT_H_
#define HOLDFAST_COMMON_INVARIANT_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"

namespace holdfast {

void ReportBrokenInvariant(const std::string& message);

// How many were broken since the start of the process.
int64_t BrokenInvariants();

// Thread-safe. `message` is only put together if `holds` is false.
template <typename... Parts>
void CheckInvariant(bool holds, const Parts&... message) {
  if (!holds) ReportBrokenInvariant(absl::StrCat(message...));
}

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_INVARIANT_H_
