#include "frontend/warm_target.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <string>

namespace holdfast {

void DecayingRate::Count(absl::Time now) {
  rate_ = PerSecond(now) + 1 / absl::ToDoubleSeconds(kMemory);
  last_ = now;
}

double DecayingRate::PerSecond(absl::Time now) const {
  return rate_ == 0 ? 0 : rate_ * std::exp(-absl::FDivDuration(now - last_, kMemory));
}

int WarmTarget(const WarmDemand& demand, const WarmBounds& bounds) {
  const double mean = demand.per_second * absl::ToDoubleSeconds(demand.start_time);
  // Rounded, not rounded up: what is left of a demand that is over must become nothing.
  const auto wanted =
      static_cast<int>(std::min<double>(bounds.max, std::round(mean + 2 * std::sqrt(mean))));
  const int target = std::max(bounds.warm, std::min(wanted, bounds.in_memory));
  return std::min(target, std::max(0, bounds.max - bounds.leased));
}

int RoomFor(int idle, int64_t available_bytes, int64_t worker_bytes) {
  constexpr int64_t kMost = std::numeric_limits<int>::max();
  if (worker_bytes <= 0) return kMost;
  return static_cast<int>(std::min(kMost, idle + available_bytes / 2 / worker_bytes));
}

int64_t AvailableMemory() {
  std::ifstream file("/proc/meminfo");  // "MemAvailable:   12345678 kB"
  for (std::string name; file >> name;) {
    int64_t kibibytes = 0;
    if (name == "MemAvailable:" && file >> kibibytes) return kibibytes * 1024;
  }
  return std::numeric_limits<int64_t>::max();
}

}  // namespace holdfast
