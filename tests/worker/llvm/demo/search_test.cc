#include "worker/llvm/demo/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace holdfast::demo {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Lt;

constexpr int kCrasher = 10;
constexpr int kHanger = 11;

// Each of the actions 0 to 4 saves 10 once; 5 costs 5; 6 to 9 do nothing; 10 crashes, 11 hangs.
class FakeCompiler : public Compiler {
 public:
  absl::StatusOr<int64_t> Start() override {
    EXPECT_FALSE(open_);
    open_ = true;
    taken_.clear();
    cost_ = 100;
    return cost_;
  }

  absl::StatusOr<StepOutcome> Step(int action) override {
    EXPECT_TRUE(open_);
    if (steps_left_-- == 0) return absl::DataLossError("session lost");
    log_.push_back(action);
    StepOutcome outcome;
    if (action == kCrasher) outcome.kind = StepOutcome::Kind::kCrashed;
    if (action == kHanger) outcome.kind = StepOutcome::Kind::kTimedOut;
    if (action == refused_) outcome.kind = StepOutcome::Kind::kRefused;
    if (action < 5 && taken_.insert(action).second) {
      cost_ -= 10;
    } else if (action == 5) {
      cost_ += 5;
    } else {
      outcome.had_no_effect = true;
    }
    outcome.cost = cost_;
    return outcome;
  }

  absl::Status End() override {
    EXPECT_TRUE(open_);
    open_ = false;
    return absl::OkStatus();
  }

  int64_t steps_left_ = -1;  // Negative: no limit.
  int refused_ = -1;
  std::vector<int> log_;

 private:
  bool open_ = false;
  std::set<int> taken_;
  int64_t cost_ = 0;
};

SearchOptions Options() {
  SearchOptions options;
  options.episodes = 20;
  options.steps = 30;
  options.passes = 10;
  options.crashers = {kCrasher, kHanger};
  options.crash_one_in = 5;
  return options;
}

void Ignore(const SearchProgress&) {}

TEST(Search, FindsTheMinimumThroughCrashes) {
  FakeCompiler compiler;
  const auto result = RunSearch(Options(), compiler, Ignore);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->original_cost, 100);
  EXPECT_EQ(result->best_cost, 50);
  // Neither actions without effect nor crashes belong to the sequence.
  EXPECT_THAT(result->best, Each(Lt(5)));
  EXPECT_EQ(result->best.size(), 5);
  EXPECT_EQ(result->episodes, 20);
  EXPECT_EQ(result->steps, 20 * 30);
  EXPECT_GT(result->crashes.at(kCrasher), 10);
  EXPECT_GT(result->timeouts.at(kHanger), 10);
  EXPECT_EQ(result->CrashesSurvived(), result->crashes.at(kCrasher) + result->timeouts.at(kHanger));
}

TEST(Search, TheSeedDecides) {
  FakeCompiler first, second, third;
  SearchOptions options = Options();
  ASSERT_TRUE(RunSearch(options, first, Ignore).ok());
  ASSERT_TRUE(RunSearch(options, second, Ignore).ok());
  options.seed = 2;
  ASSERT_TRUE(RunSearch(options, third, Ignore).ok());
  EXPECT_EQ(first.log_, second.log_);
  EXPECT_NE(first.log_, third.log_);
}

TEST(Search, ARefusalEndsTheEpisodeOnly) {
  FakeCompiler compiler;
  compiler.refused_ = 7;
  const auto result = RunSearch(Options(), compiler, Ignore);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->episodes, 20);
  EXPECT_GT(result->refusals, 0);
  EXPECT_LT(result->steps, 20 * 30);
}

TEST(Search, ACrasherThatDoesNotCrashIsNoPartOfASequence) {
  FakeCompiler compiler;
  SearchOptions options = Options();
  options.passes = 4;
  options.crashers = {4};  // It saves 10 instead.
  const auto result = RunSearch(options, compiler, Ignore);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->best_cost, 60);
  EXPECT_THAT(result->best, Each(Lt(4)));
  EXPECT_EQ(result->CrashesSurvived(), 0);
}

TEST(Search, AnErrorEndsTheSearch) {
  FakeCompiler compiler;
  compiler.steps_left_ = 40;
  EXPECT_EQ(RunSearch(Options(), compiler, Ignore).status(), absl::DataLossError("session lost"));
}

TEST(Search, WithoutCrashersNothingCrashes) {
  FakeCompiler compiler;
  SearchOptions options = Options();
  options.crashers.clear();
  EXPECT_EQ(RunSearch(options, compiler, Ignore)->CrashesSurvived(), 0);
}

TEST(Mutate, StaysAmongThePasses) {
  std::mt19937 random(1);
  EXPECT_THAT(Mutate({}, 10, random), ElementsAre());
  std::vector<int> sequence = {1, 2, 3, 4, 5, 6};
  for (int i = 0; i < 1000; ++i) {
    const std::vector<int> mutated = Mutate(sequence, 10, random);
    EXPECT_THAT(mutated, Each(Lt(10)));
    EXPECT_LE(mutated.size(), sequence.size() + 2);
    EXPECT_GE(mutated.size() + 2, sequence.size());
  }
}

}  // namespace
}  // namespace holdfast::demo
