// Closed loops: each client calls again as soon as it is answered.
#ifndef HOLDFAST_TESTS_BENCH_CLOSED_LOOP_H_
#define HOLDFAST_TESTS_BENCH_CLOSED_LOOP_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/bench/services.h"

namespace holdfast {

// What all rounds of one way took.
struct Measurement {
  std::vector<double> latencies_us;  // Of each call.
  absl::Duration time;
  CpuTime cpu;
};

// Measures each way in `rounds` rounds of `round_time`. The ways take turns round by round, so that
// the machine's moods hit all of them. One more round of each, which comes first, does not count.
absl::StatusOr<std::vector<Measurement>> MeasureInTurns(const std::vector<Way>& ways, int rounds,
                                                        absl::Duration round_time);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_BENCH_CLOSED_LOOP_H_
