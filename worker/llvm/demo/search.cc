#include "worker/llvm/demo/search.h"

#include <utility>

namespace holdfast::demo {
namespace {

// Not std::uniform_int_distribution, whose results differ between standard libraries.
int Below(int bound, std::mt19937& random) { return static_cast<int>(random() % bound); }

class Searcher {
 public:
  Searcher(const SearchOptions& options, Compiler& compiler,
           const std::function<void(const SearchProgress&)>& report)
      : options_(options), compiler_(compiler), report_(report), random_(options.seed) {}

  absl::StatusOr<SearchProgress> Run() {
    for (int episode = 0; episode < options_.episodes; ++episode) {
      if (absl::Status status = RunEpisode(episode); !status.ok()) return status;
      ++progress_.episodes;
    }
    report_(progress_);
    return progress_;
  }

 private:
  absl::Status RunEpisode(int episode) {
    const absl::StatusOr<int64_t> original = compiler_.Start();
    if (!original.ok()) return original.status();
    if (episode == 0) progress_.original_cost = progress_.best_cost = *original;

    // Several starts, or a bad first sequence is where the whole search gets stuck.
    std::vector<int> plan;
    if (episode >= options_.episodes / 4) plan = Mutate(progress_.best, options_.passes, random_);
    cost_ = *original;
    size_t planned = 0;
    std::vector<int> applied;
    for (int step = 0; step < options_.steps; ++step) {
      int action;
      if (!options_.crashers.empty() && Below(options_.crash_one_in, random_) == 0) {
        action = options_.crashers[Below(options_.crashers.size(), random_)];
      } else if (planned < plan.size()) {
        action = plan[planned++];
      } else {
        action = AnyPass();
      }
      const absl::StatusOr<bool> goes_on = Take(action, applied);
      if (!goes_on.ok()) return goes_on.status();
      report_(progress_);
      if (!*goes_on) break;
    }
    return compiler_.End();
  }

  // Half of the time one that has helped before, the more often the likelier.
  int AnyPass() {
    if (!useful_.empty() && Below(2, random_) == 0) return useful_[Below(useful_.size(), random_)];
    return Below(options_.passes, random_);
  }

  // Takes one step; false if the episode is over.
  absl::StatusOr<bool> Take(int action, std::vector<int>& applied) {
    const absl::StatusOr<StepOutcome> outcome = compiler_.Step(action);
    if (!outcome.ok()) return outcome.status();
    ++progress_.steps;
    switch (outcome->kind) {
      case StepOutcome::Kind::kCrashed:
        ++progress_.crashes[action];
        return true;
      case StepOutcome::Kind::kTimedOut:
        ++progress_.timeouts[action];
        return true;
      case StepOutcome::Kind::kRefused:
        ++progress_.refusals;
        return false;
      case StepOutcome::Kind::kApplied:
        break;
    }
    if (outcome->had_no_effect) return true;
    // A crasher that did its work instead: what follows is no sequence of passes any more.
    if (action >= options_.passes) return false;
    applied.push_back(action);
    if (outcome->cost < cost_) useful_.push_back(action);
    cost_ = outcome->cost;
    const bool shorter =
        outcome->cost == progress_.best_cost && applied.size() < progress_.best.size();
    if (outcome->cost < progress_.best_cost || shorter) {
      progress_.best_cost = outcome->cost;
      progress_.best = applied;
    }
    return true;
  }

  const SearchOptions& options_;
  Compiler& compiler_;
  const std::function<void(const SearchProgress&)>& report_;
  std::mt19937 random_;
  SearchProgress progress_;
  std::vector<int> useful_;  // Each action once for each time that it lowered the cost.
  int64_t cost_ = 0;         // Now, in this episode.
};

}  // namespace

int SearchProgress::CrashesSurvived() const {
  int count = 0;
  for (const auto& [action, times] : crashes) count += times;
  for (const auto& [action, times] : timeouts) count += times;
  return count;
}

std::vector<int> Mutate(std::vector<int> sequence, int passes, std::mt19937& random) {
  if (sequence.empty()) return sequence;
  for (int edits = Below(3, random); edits > 0 && !sequence.empty(); --edits) {
    const int at = Below(sequence.size(), random);
    switch (Below(4, random)) {
      case 0:
        sequence.erase(sequence.begin() + at);
        break;
      case 1:
        sequence[at] = Below(passes, random);
        break;
      case 2:
        sequence.insert(sequence.begin() + at, Below(passes, random));
        break;
      case 3:
        std::swap(sequence[at], sequence[Below(sequence.size(), random)]);
        break;
    }
  }
  return sequence;
}

absl::StatusOr<SearchProgress> RunSearch(const SearchOptions& options, Compiler& compiler,
                                         const std::function<void(const SearchProgress&)>& report) {
  return Searcher(options, compiler, report).Run();
}

}  // namespace holdfast::demo
