// How the benchmarks that a worker brings misbehave: by their names.
#ifndef HOLDFAST_TESTS_TESTCASES_BENCHMARK_MODES_H_
#define HOLDFAST_TESTS_TESTCASES_BENCHMARK_MODES_H_

#include "worker/compilation_session.h"

namespace holdfast {

// The type, which now brings benchmark://misbehaving-v0/NAME for each row of the table; or with a
// marker file, NAME:MARKER.
SessionType WithBenchmarks(SessionType type);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_TESTCASES_BENCHMARK_MODES_H_
