// A seeded search over sequences of passes, with crashes on the way.
#ifndef HOLDFAST_WORKER_LLVM_DEMO_SEARCH_H_
#define HOLDFAST_WORKER_LLVM_DEMO_SEARCH_H_

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace holdfast::demo {

// What became of one action.
struct StepOutcome {
  enum class Kind {
    kApplied,
    kCrashed,   // The compiler died; the session goes on, as it was before.
    kTimedOut,  // The compiler hung and was killed; likewise.
    kRefused,   // The session itself returned an error: the episode ends.
  };
  Kind kind = Kind::kApplied;
  int64_t cost = 0;            // After it; meaningful if applied.
  bool had_no_effect = false;  // Meaningful if applied.
};

// A compiler, as the search sees it: one session at a time. Errors end the search.
class Compiler {
 public:
  virtual ~Compiler() = default;
  // Starts a session and returns the cost of the program as it is.
  virtual absl::StatusOr<int64_t> Start() = 0;
  virtual absl::StatusOr<StepOutcome> Step(int action) = 0;
  virtual absl::Status End() = 0;
};

struct SearchOptions {
  uint32_t seed = 1;
  int episodes = 40;
  int steps = 50;  // Of an episode.
  int passes = 0;  // Actions 0 to passes - 1 are candidates.
  // Actions known to crash, from `passes` up; one of them is tried in place of about one in
  // `crash_one_in` steps. If it changes the program instead of crashing, the episode ends.
  std::vector<int> crashers;
  int crash_one_in = 25;
};

struct SearchProgress {
  int episodes = 0;  // Completed.
  int64_t steps = 0;
  int64_t original_cost = 0;
  int64_t best_cost = 0;
  std::vector<int> best;       // Without actions that had no effect.
  std::map<int, int> crashes;  // By action.
  std::map<int, int> timeouts;
  int refusals = 0;

  int CrashesSurvived() const;
};

// Runs all episodes. Those of the first quarter are random; later ones begin with a mutation of the
// best sequence so far. All go on at random, with a liking for what helped before, and the best
// prefix of an episode counts. `report` is called after each step.
//
// The same seed makes the same choices as long as the compiler answers the same.
absl::StatusOr<SearchProgress> RunSearch(const SearchOptions& options, Compiler& compiler,
                                         const std::function<void(const SearchProgress&)>& report);

// `sequence` with up to two actions removed, replaced, inserted or exchanged. Exposed for tests.
std::vector<int> Mutate(std::vector<int> sequence, int passes, std::mt19937& random);

}  // namespace holdfast::demo

#endif  // HOLDFAST_WORKER_LLVM_DEMO_SEARCH_H_
