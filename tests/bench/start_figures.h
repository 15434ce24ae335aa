// The parts of start_benchmark. Each tells its figures.
#ifndef HOLDFAST_TESTS_BENCH_START_FIGURES_H_
#define HOLDFAST_TESTS_BENCH_START_FIGURES_H_

#include <cstdint>

#include "absl/time/time.h"

namespace holdfast {

// From the request to spawn a worker to its first answer. Cold: the pages of the worker's binary
// were dropped before, if nobody maps them; those of the C and C++ libraries were not.
void TellWorkerStarts(int rounds, int cold_rounds);

// StartSession with a warm worker beside StartSession of a worker without a front, and the same for
// a step of nothing, whose difference is that of two hops.
void TellSessionStarts(int rounds);

// How many sessions `clients` can start and end in `duration`, each on a fresh process and each on
// one that served others.
void TellSessionRates(int clients, absl::Duration duration);

// The first step after the session's worker was killed, while another is idle.
void TellRecoveries(int rounds);

// Starts of workers, and meanwhile the steps of another session, in a front that holds nothing and
// in one that holds programs of so many bytes.
void TellFullFront(int rounds, int64_t bytes);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_BENCH_START_FIGURES_H_
