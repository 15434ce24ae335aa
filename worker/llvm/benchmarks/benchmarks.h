// The benchmarks that come with the LLVM worker: C programs of its own, and two generators.
#ifndef HOLDFAST_WORKER_LLVM_BENCHMARKS_BENCHMARKS_H_
#define HOLDFAST_WORKER_LLVM_BENCHMARKS_BENCHMARKS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/compiler_gym_service.pb.h"

namespace holdfast::llvm_session {

// Sorted: each `benchmark://holdfast-v0/NAME`, and of each generator one, with SEED in place of the
// seed: `generator://holdfast-csmith-v0/SEED`, `generator://holdfast-llvm-stress-v0/SEED`.
std::vector<std::string> BenchmarkUris();

// The benchmark of one of these names, SEED being an integer from 0 to 4294967295, in decimal: an
// inline program that a session loads without a compiler, and the commands that build and run it.
// The same name always gives the same benchmark, with the same clang and generators. After a run
// of a `benchmark://`, a command compares what it printed, and fails if that is wrong. What csmith
// makes can be run, but what it should print is not known; what llvm-stress makes cannot be run.
//
// Takes tens of milliseconds for clang, and up to seconds for csmith. Leaves nothing in
// `scratch_directory`, which must exist. INVALID_ARGUMENT, saying what is allowed, if there is no
// such benchmark, or if a program that the generator needs is not installed.
absl::StatusOr<compiler_gym::Benchmark> MakeBenchmark(absl::string_view uri,
                                                      const std::string& scratch_directory);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_BENCHMARKS_BENCHMARKS_H_
