// Random trees of forks, with steps, parks and kills in between: each leaf's state is what its own
// path of actions, applied by itself, makes of the program.
#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/llvm_fixture.h"

namespace holdfast {
namespace {

struct Leaf {
  TestSession session;
  std::vector<int64_t> path;
};

class ForkTree {
 public:
  // `actions` to choose from; a tree of so many operations.
  ForkTree(const ServiceProcess* service, std::vector<int64_t> actions, uint64_t seed)
      : service_(service), actions_(std::move(actions)), random_(seed) {}

  std::vector<Leaf> Grow(TestSession root, int operations) {
    std::vector<Leaf> leaves;
    leaves.push_back({std::move(root), {}});
    for (int i = 0; i < operations; ++i) {
      const size_t chosen = Below(leaves.size());
      const int dice = static_cast<int>(Below(100));
      if (dice < 50) {
        Step(&leaves[chosen]);
      } else if (dice < 85) {
        ++forks_;
        TestSession child = leaves[chosen].session.Fork();
        leaves.push_back({std::move(child), leaves[chosen].path});
      } else if (dice < 92 && leaves.size() > 1) {
        leaves[chosen].session.End();
        std::swap(leaves[chosen], leaves.back());
        leaves.pop_back();
      } else {
        KillOne();
      }
    }
    return leaves;
  }

  int forks() const { return forks_; }
  int kills() const { return kills_; }

 private:
  size_t Below(size_t n) { return random_() % n; }

  void Step(Leaf* leaf) {
    std::vector<int64_t> step;
    for (size_t i = 0; i <= Below(3); ++i) step.push_back(actions_[Below(actions_.size())]);
    // Whoever killed the worker once may do so again: then the step has failed, and is none.
    const grpc::Status status = leaf->session.Step(step);
    if (status.ok()) {
      leaf->path.insert(leaf->path.end(), step.begin(), step.end());
    } else {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED) << status.error_message();
    }
  }

  void KillOne() {
    const std::vector<pid_t> workers = service_->workers();
    if (workers.empty()) return;
    kill(workers[Below(workers.size())], SIGKILL);
    ++kills_;
  }

  const ServiceProcess* const service_;
  const std::vector<int64_t> actions_;
  std::mt19937_64 random_;
  int forks_ = 0;
  int kills_ = 0;
};

// With three workers for all leaves, most are parked at any moment.
const std::vector<std::string>& Flags() {
  static const auto* const flags =
      new std::vector<std::string>{"--max_workers=3", "--worker_wait_timeout=60s"};
  return *flags;
}

constexpr char kProgram[] = "++T>>+-<<..+T-->+<T.+++--->><<";

TEST(ForkTreeTest, LeavesOfTheExampleAreExact) {
  for (const uint64_t seed : {1, 2, 3}) {
    const ServiceProcess service("worker/example/example_worker", Flags());
    ForkTree tree(&service, {0, 1, 2}, seed);
    std::vector<Leaf> leaves =
        tree.Grow(TestSession(service, "benchmark://holdfast-v0/tree", kProgram), 150);
    std::map<std::vector<int64_t>, std::string> expected;
    for (Leaf& leaf : leaves) {
      if (expected.count(leaf.path) == 0) {
        TestSession direct(service, "benchmark://holdfast-v0/tree", kProgram);
        for (const int64_t action : leaf.path) EXPECT_TRUE(direct.Step({action}).ok());
        expected[leaf.path] = direct.Observe(0).string_value();
        direct.End();
      }
      EXPECT_EQ(leaf.session.Observe(0).string_value(), expected[leaf.path])
          << "seed " << seed << ", after " << leaf.path.size() << " actions";
    }
    EXPECT_GT(leaves.size(), 20u);
    EXPECT_GT(tree.kills(), 2);
  }
}

class LlvmForkTreeTest : public LlvmTest {
 protected:
  LlvmForkTreeTest() : LlvmTest(Flags()) {}
};

TEST_F(LlvmForkTreeTest, LeavesAreExact) {
  const ServiceProcess undisturbed("worker/llvm/llvm_worker");
  ForkTree tree(&service_, RandomPasses(14), /*seed=*/5);
  std::vector<Leaf> leaves = tree.Grow(NewSession("passes"), 120);
  std::map<std::vector<int64_t>, std::string> expected;
  for (Leaf& leaf : leaves) {
    if (expected.count(leaf.path) == 0) {
      TestSession direct(undisturbed, "benchmark://holdfast-v0/compressor", Compressor(),
                         action_spaces_.at("passes"));
      EXPECT_TRUE(direct.Step(leaf.path).ok());
      expected[leaf.path] = State(&direct);
      direct.End();
    }
    EXPECT_EQ(State(&leaf.session), expected[leaf.path])
        << "after " << leaf.path.size() << " actions";
  }
  const double restored =
      service_.Metric("holdfast_snapshots_total{outcome=\"restored\"}").value_or(0);
  EXPECT_GT(restored, 0);
  EXPECT_EQ(service_.Metric("holdfast_snapshots_total{outcome=\"refused\"}"), 0);
  RecordProperty("forks", tree.forks());
  std::cout << absl::StrCat("forks ", tree.forks(), ", kills ", tree.kills(), ", leaves ",
                            leaves.size(), ", restored from snapshots ", restored, "\n");
}

}  // namespace
}  // namespace holdfast
