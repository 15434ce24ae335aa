#include "frontend/holdfastctl/minimize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A test that fails if all of `needed` are there, and counts what it is asked.
class Needs {
 public:
  explicit Needs(std::vector<int> needed) : needed_(std::move(needed)) {}

  MinimizeTest AsTest() {
    return [this](const std::vector<int>& kept) -> absl::optional<bool> {
      EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
      EXPECT_TRUE(asked_.insert(kept).second) << "asked twice";
      return std::includes(kept.begin(), kept.end(), needed_.begin(), needed_.end());
    };
  }
  int asked() const { return static_cast<int>(asked_.size()); }

 private:
  const std::vector<int> needed_;
  std::set<std::vector<int>> asked_;
};

TEST(MinimizeTest, FindsTheOnesThatAreNeeded) {
  Needs needs({3, 17});
  const MinimizeResult result = Minimize(20, needs.AsTest());
  EXPECT_THAT(result.kept, ElementsAre(3, 17));
  EXPECT_TRUE(result.is_minimal);
  EXPECT_EQ(result.tests, needs.asked());
}

TEST(MinimizeTest, KeepsAllIfAllAreNeeded) {
  Needs needs({0, 1, 2, 3, 4});
  const MinimizeResult result = Minimize(5, needs.AsTest());
  EXPECT_THAT(result.kept, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_TRUE(result.is_minimal);
}

TEST(MinimizeTest, KeepsNothingIfNothingIsNeeded) {
  Needs needs({});
  EXPECT_THAT(Minimize(100, needs.AsTest()).kept, IsEmpty());
  EXPECT_EQ(needs.asked(), 1);
}

TEST(MinimizeTest, OfNothingIsNothingAndAsksNothing) {
  Needs needs({});
  const MinimizeResult result = Minimize(0, needs.AsTest());
  EXPECT_THAT(result.kept, IsEmpty());
  EXPECT_TRUE(result.is_minimal);
  EXPECT_EQ(needs.asked(), 0);
}

TEST(MinimizeTest, OneIsKeptIfItIsNeeded) {
  Needs needs({0});
  EXPECT_THAT(Minimize(1, needs.AsTest()).kept, ElementsAre(0));
}

TEST(MinimizeTest, AsksLittleIfTheLastOneIsToBlame) {
  Needs needs({9999});
  EXPECT_THAT(Minimize(10'000, needs.AsTest()).kept, ElementsAre(9999));
  EXPECT_LE(needs.asked(), 20);
}

// Any test at all: whatever is reached fails, and does not without any one of its elements.
TEST(MinimizeTest, ReachesAOneMinimalSequenceOfAnyTest) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const int size = static_cast<int>(random() % 12) + 1;
    // Which subsets fail is chance, but for all together.
    std::set<std::vector<int>> failing;
    std::vector<int> all;
    for (int i = 0; i < size; ++i) all.push_back(i);
    for (unsigned bits = 0; bits < 1U << size; ++bits) {
      std::vector<int> subset;
      for (int i = 0; i < size; ++i) {
        if ((bits >> i & 1U) != 0) subset.push_back(i);
      }
      if (random() % 4 == 0 && !subset.empty()) failing.insert(subset);
    }
    failing.insert(all);
    const MinimizeResult result = Minimize(size, [&](const std::vector<int>& kept) {
      return absl::optional<bool>(failing.count(kept));
    });
    EXPECT_EQ(failing.count(result.kept), 1U) << "seed " << seed;
    EXPECT_TRUE(result.is_minimal);
    for (size_t i = 0; i < result.kept.size(); ++i) {
      std::vector<int> without = result.kept;
      without.erase(without.begin() + static_cast<ptrdiff_t>(i));
      EXPECT_EQ(failing.count(without), 0U) << "seed " << seed;
    }
  }
}

TEST(MinimizeTest, StopsWithWhatItHasReached) {
  Needs needs({3, 17});
  const MinimizeTest test = needs.AsTest();
  const MinimizeResult whole = Minimize(20, test);
  for (int allowed = 0; allowed < whole.tests; ++allowed) {
    Needs same({3, 17});
    const MinimizeTest limited = same.AsTest();
    int left = allowed;
    const MinimizeResult result =
        Minimize(20, [&](const std::vector<int>& kept) -> absl::optional<bool> {
          return left-- > 0 ? limited(kept) : absl::nullopt;
        });
    EXPECT_FALSE(result.is_minimal);
    EXPECT_EQ(result.tests, allowed);
    EXPECT_THAT(result.kept, testing::IsSupersetOf({3, 17}));
  }
}

}  // namespace
}  // namespace holdfast
