// Sizes and durations for people, short enough for a column of a table.
#ifndef HOLDFAST_FRONTEND_ADMIN_HUMAN_UNITS_H_
#define HOLDFAST_FRONTEND_ADMIN_HUMAN_UNITS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace holdfast {

// "512 B", "1.5 KiB", "52 MiB", "4 GiB": at most 8 characters for any size that is not negative.
// Two digits tell; what is a whole number of its unit says so.
std::string HumanBytes(int64_t bytes);

// How old something is: "0s", "59s", "3m20s", "5h12m", "3d4h", "400d". Negative: as 0.
std::string HumanAge(absl::Duration age);

// How long something took: "87us", "1.2ms", "12ms", "3.4s", "2m10s".
std::string HumanLatency(absl::Duration latency);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_HUMAN_UNITS_H_
