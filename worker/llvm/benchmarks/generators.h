// Programs made at random by csmith and llvm-stress, where these are installed.
#ifndef HOLDFAST_WORKER_LLVM_BENCHMARKS_GENERATORS_H_
#define HOLDFAST_WORKER_LLVM_BENCHMARKS_GENERATORS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace holdfast::llvm_session {

// Both: the same seed always makes the same program. They keep their files in `directory`, which
// must be empty and to be thrown away. INVALID_ARGUMENT, with the Debian package to be installed,
// if the tool is missing; also if it takes longer than a minute. INTERNAL if it fails.

// Bitcode of a whole C program, of some 100 to 20,000 instructions. It prints a checksum; one in
// seven runs for many seconds, or for ever.
absl::StatusOr<std::string> RunCsmith(uint32_t seed, const std::string& directory);

// Text IR of one function of some 100 to 1,000 instructions, that cannot be run.
absl::StatusOr<std::string> RunLlvmStress(uint32_t seed, const std::string& directory);

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_WORKER_LLVM_BENCHMARKS_GENERATORS_H_
