// Workers that serve one session after another.
#include <signal.h>

#include <fstream>

#include "frontend/worker_growth.h"
#include "frontend/worker_pool.h"
#include "tests/frontend/supervision_fixture.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class WorkerReuseTest : public SupervisionFixture {
 protected:
  // One worker on loan, and nobody who asks for more.
  void Start(int reuse) {
    memory_limit_ = int64_t{4} << 30;
    WorkerPool::Options options;
    options.warm = 0;
    options.max = 2;
    options.reuse = reuse;
    MakePool(options);
    spawner_.process(1).usage.memory_bytes = 1000;
    session_ = Acquire();
    BecomeReady(1);
    ASSERT_TRUE(session_->lease.ok());
  }
  // Gives the worker back; the worker answers with that status.
  void EndSession(const grpc::Status& status = grpc::Status::OK) {
    pool_->Release(*session_->lease);
    Settle();
    ASSERT_EQ(client(1).calls().size(), 1u);
    ASSERT_EQ(client(1).calls()[0].method, WorkerMethod::kEndSession);
    client(1).Answer({status, {}, {}});
    Settle();
  }
  bool IsReused() { return spawner_.process(1).kills == 0 && reused_ == 1; }

  std::shared_ptr<Outcome> session_;
};

TEST_F(WorkerReuseTest, ServesSoManySessionsAndThenEnds) {
  Start(/*reuse=*/3);
  for (int reused = 1; reused <= 2; ++reused) {
    EndSession();
    EXPECT_EQ(reused_, reused);
    session_ = Acquire();
    ASSERT_TRUE(session_->lease.ok());
    EXPECT_EQ(session_->lease->worker_id, 1u);
  }
  EndSession();
  EXPECT_EQ(spawner_.process(1).kills, 1);
  Exit(1, SIGKILL);
  EXPECT_THAT(deaths_, ElementsAre(Pair(WorkerState::kRetiring, WorkerFailure::UNKNOWN)));
}

TEST_F(WorkerReuseTest, WaitsForTheEndOfTheSession) {
  Start(2);
  pool_->Release(*session_->lease);
  const auto next = Acquire();
  EXPECT_TRUE(next->is_waiting());
  client(1).Answer({});
  Settle();
  EXPECT_TRUE(next->lease.ok());
  EXPECT_EQ(spawner_.spawned(), 1u);
}

TEST_F(WorkerReuseTest, ScratchDirectoryIsEmptied) {
  Start(2);
  const std::string scratch = scratch_ + "/worker-1/scratch";
  std::filesystem::create_directories(scratch + "/a/b");
  std::ofstream(scratch + "/a/b/file") << "secret";
  std::ofstream(scratch + "/.hidden") << "secret";
  std::filesystem::create_directory_symlink(scratch_, scratch + "/link");
  EndSession();
  EXPECT_TRUE(IsReused());
  EXPECT_TRUE(std::filesystem::is_empty(scratch));
  EXPECT_TRUE(std::filesystem::exists(scratch_ + "/worker-1")) << "what a link leads to stays";
}

TEST_F(WorkerReuseTest, WorkerWithoutItsScratchDirectoryIsReplaced) {
  Start(2);
  std::filesystem::remove_all(scratch_ + "/worker-1/scratch");
  EndSession();
  EXPECT_FALSE(IsReused());
}

TEST_F(WorkerReuseTest, LastWordsAreOfTheSessionThatWroteThem) {
  Start(2);
  spawner_.Output(1, /*is_stderr=*/true, "of the first\n");
  EndSession();
  session_ = Acquire();
  spawner_.Output(1, /*is_stderr=*/true, "of the second\n");
  Exit(1, SIGSEGV);
  ASSERT_EQ(session_->exits.size(), 1u);
  EXPECT_EQ(session_->exits[0].stderr_tail(), "of the second\n");
}

TEST_F(WorkerReuseTest, WorkerThatRefusesToEndTheSessionIsReplaced) {
  Start(2);
  EndSession(grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "processes are left"));
  EXPECT_FALSE(IsReused());
}

TEST_F(WorkerReuseTest, WorkerThatHangsIsReplacedAfterASecond) {
  Start(2);
  pool_->Release(*session_->lease);
  Settle();
  Advance(absl::Milliseconds(999));
  EXPECT_EQ(spawner_.process(1).kills, 0);
  Advance(absl::Milliseconds(1));
  EXPECT_EQ(spawner_.process(1).kills, 1);
  client(1).Answer({});
  Settle();
  EXPECT_EQ(reused_, 0) << "too late";
}

TEST_F(WorkerReuseTest, GrownWorkerIsReplaced) {
  Start(2);
  spawner_.process(1).usage.memory_bytes = 2 * kGrowthBytes;
  EndSession();
  EXPECT_FALSE(IsReused());
}

TEST_F(WorkerReuseTest, WorkerWithOthersAroundItIsReplaced) {
  Start(2);
  spawner_.process(1).usage.others = 1;
  EndSession();
  EXPECT_FALSE(IsReused());
}

TEST_F(WorkerReuseTest, WorkerThatHasMetALimitIsReplaced) {
  Start(2);
  spawner_.process(1).usage.process_limit_hit = true;
  EndSession();
  EXPECT_FALSE(IsReused());
}

TEST_F(WorkerReuseTest, DeathInBetweenIsNobodysFailureAndDelaysNothing) {
  Start(2);
  pool_->Release(*session_->lease);
  Settle();
  Exit(1, SIGSEGV);
  EXPECT_THAT(session_->exits, IsEmpty());
  EXPECT_THAT(deaths_, ElementsAre(Pair(WorkerState::kResetting, WorkerFailure::SIGNAL)));
  const auto next = Acquire();
  ASSERT_EQ(spawner_.spawned(), 2u) << "without back-off";
  client(1).Answer({});  // Fails, in truth; it meets nobody.
  Settle();
  BecomeReady(2);
  EXPECT_TRUE(next->lease.ok());
  EXPECT_EQ(reused_, 0);
}

TEST_F(WorkerReuseTest, DiscardedWorkerIsNotReused) {
  Start(2);
  pool_->Discard(*session_->lease, WorkerFailure::TIME_LIMIT, absl::ZeroDuration(),
                 [](const WorkerFailure&) {});
  Settle();
  EXPECT_EQ(spawner_.process(1).kills, 1);
}

}  // namespace
}  // namespace holdfast
