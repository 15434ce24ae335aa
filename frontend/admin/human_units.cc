#include "frontend/admin/human_units.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace holdfast {
namespace {

// Below ten one decimal, unless it would be a zero.
std::string TwoDigits(double value) {
  const double tenths = std::round(value * 10);
  if (tenths >= 100 || std::fmod(tenths, 10) == 0) return absl::StrFormat("%.0f", value);
  return absl::StrFormat("%.1f", tenths / 10);
}

}  // namespace

std::string HumanBytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto value = static_cast<double>(bytes);
  const char* const* unit = std::begin(kUnits);
  // From 1023.5 on it would be written as 1024.
  while (value >= 1023.5 && unit + 1 != std::end(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return absl::StrCat(TwoDigits(value), " ", *unit);
}

std::string HumanAge(absl::Duration age) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(age));
  const int64_t minutes = seconds / 60;
  const int64_t hours = minutes / 60;
  const int64_t days = hours / 24;
  if (days >= 100) return absl::StrCat(days, "d");
  if (days > 0) return absl::StrCat(days, "d", hours % 24, "h");
  if (hours > 0) return absl::StrCat(hours, "h", minutes % 60, "m");
  if (minutes > 0) return absl::StrCat(minutes, "m", seconds % 60, "s");
  return absl::StrCat(seconds, "s");
}

std::string HumanLatency(absl::Duration latency) {
  const double seconds = std::max(0.0, absl::ToDoubleSeconds(latency));
  if (seconds < 999.5e-6) return absl::StrFormat("%.0fus", seconds * 1e6);
  if (seconds < 999.5e-3) return absl::StrCat(TwoDigits(seconds * 1e3), "ms");
  if (seconds < 60) return absl::StrCat(TwoDigits(seconds), "s");
  return HumanAge(latency);
}

}  // namespace holdfast
