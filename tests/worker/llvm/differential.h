// A session and opt-19, side by side: the same passes must do the same.
#ifndef HOLDFAST_TESTS_WORKER_LLVM_DIFFERENTIAL_H_
#define HOLDFAST_TESTS_WORKER_LLVM_DIFFERENTIAL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace holdfast::llvm_session {

// What came of the steps of walks.
struct DifferentialTally {
  int steps = 0;
  int equal = 0;
  // Equal only when opt ran on the session's own bitcode: what it had made itself said the same,
  // but LLVM had it in another order in memory.
  int equal_alone = 0;
  int failed_in_both = 0;
  int too_slow = 0;                      // In the session or in opt; not compared.
  std::vector<std::string> known;        // Different, as is known of the pass; in words.
  std::vector<std::string> differences;  // Any other.

  void Add(const DifferentialTally& other);
  // One line, without the words.
  std::string Describe() const;
};

// The action spaces whose passes opt has.
inline constexpr absl::string_view kComparedSpaces[] = {"PassesAll", "passes", "unsafe"};

// `sroa`, for without it most passes find nothing to do, and then random passes of the space, by
// name.
std::vector<std::string> RandomPasses(absl::string_view space, uint32_t seed, int count);

// Applies the passes to a session on `program` and, one run of opt a pass, to what the session's
// Bitcode said before. After each step both have the same text (but for the order of predecessors
// in comments), or both have failed and are as before. On a difference opt runs once more, on the
// session's bitcode; either way both go on from what the session has.
//
// An error if the session refuses the program.
absl::Status Compare(absl::string_view program, absl::string_view space,
                     const std::vector<std::string>& passes, DifferentialTally* tally);

// For this process and all that it starts: no core dumps, and not all of the machine's memory.
void LimitResources();

}  // namespace holdfast::llvm_session

#endif  // HOLDFAST_TESTS_WORKER_LLVM_DIFFERENTIAL_H_
