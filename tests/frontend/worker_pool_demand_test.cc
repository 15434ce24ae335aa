// The pool under demand: who waits is served in turn, who has a worker is asked for it, and idle
// workers are as many as are needed.
#include <signal.h>

#include <utility>

#include "frontend/worker_growth.h"
#include "frontend/worker_pool.h"
#include "tests/frontend/supervision_fixture.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Gives its worker back when it is asked for it, if it is idle then.
class FakeBorrower : public Borrower {
 public:
  absl::Time idle_since() const override { return idle_since_; }
  bool AskBack() override {
    ++asked_;
    if (never_) return false;
    if (idle_since_ != absl::InfiniteFuture()) give_back_();
    return true;
  }
  void Withdraw() override { ++withdrawn_; }

  absl::Time idle_since_ = absl::InfiniteFuture();
  bool never_ = false;
  int asked_ = 0;
  int withdrawn_ = 0;
  std::function<void()> give_back_ = [] {};
};

class WorkerPoolDemandTest : public SupervisionFixture {
 protected:
  struct Borrowed {
    std::shared_ptr<FakeBorrower> borrower = std::make_shared<FakeBorrower>();
    std::shared_ptr<Outcome> outcome;
  };

  void MakePool(int warm, int max) {
    WorkerPool::Options options;
    options.warm = warm;
    options.max = max;
    options.available_memory = [this] { return available_memory_; };
    SupervisionFixture::MakePool(options);
  }
  Borrowed Borrow(uint64_t client = 0) {
    Borrowed borrowed;
    WorkerRequest request;
    request.timeout = absl::Hours(1);
    request.client = client;
    request.borrower = borrowed.borrower;
    borrowed.outcome = Acquire(std::move(request));
    borrowed.borrower->give_back_ = [this, outcome = borrowed.outcome] {
      pool_->Release(*outcome->lease);
    };
    return borrowed;
  }
  // With each of the workers from 1 on loan.
  std::vector<Borrowed> BorrowAll(int count) {
    std::vector<Borrowed> all;
    for (int i = 0; i < count; ++i) all.push_back(Borrow());
    for (int i = 1; i <= count; ++i) BecomeReady(i);
    return all;
  }
  std::shared_ptr<Outcome> AcquireSpare() {
    WorkerRequest request;
    request.only_spare = true;
    return Acquire(std::move(request));
  }
  // The process of a worker that was released ends.
  void EndReleased(uint64_t worker) {
    client(worker).Answer({});
    Settle();
    Exit(worker, SIGKILL);
  }
  void ExitKilled() {
    for (const ProcessId process : spawner_.alive()) {
      if (spawner_.process(process).kills > 0) Exit(process, SIGKILL);
    }
  }

  int64_t available_memory_ = INT64_MAX;
};

TEST_F(WorkerPoolDemandTest, ClientsAreServedInTurn) {
  MakePool(0, 1);
  const Borrowed holder = Borrow();
  BecomeReady(1);
  std::vector<Borrowed> greedy = {Borrow(1), Borrow(1), Borrow(1)};
  const Borrowed modest = Borrow(2);
  EXPECT_EQ(waiting_, 4);
  pool_->Return(*holder.outcome->lease);
  Settle();
  ASSERT_TRUE(greedy[0].outcome->lease.ok());
  pool_->Return(*greedy[0].outcome->lease);
  Settle();
  EXPECT_TRUE(modest.outcome->lease.ok());
  EXPECT_TRUE(greedy[1].outcome->is_waiting());
  EXPECT_EQ(waiting_, 2);
}

TEST_F(WorkerPoolDemandTest, SpareWorkersAreLentAtOnceOrNotAtAll) {
  MakePool(1, 2);
  const auto early = AcquireSpare();
  EXPECT_EQ(early->lease.status().code(), absl::StatusCode::kResourceExhausted);
  BecomeReady(1);
  EXPECT_TRUE(AcquireSpare()->lease.ok());
  const auto waiting = Acquire();
  EXPECT_TRUE(waiting->is_waiting());
  EXPECT_EQ(AcquireSpare()->lease.status().code(), absl::StatusCode::kResourceExhausted);
  BecomeReady(2);
  EXPECT_TRUE(waiting->lease.ok());
}

TEST_F(WorkerPoolDemandTest, SpareWorkersThatAreDeadAreNotLent) {
  MakePool(1, 2);
  BecomeReady(1);
  spawner_.process(1).condition = ProcessCondition::kEnded;
  EXPECT_EQ(AcquireSpare()->lease.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(WorkerPoolDemandTest, WhoIsIdleForLongestIsAskedAndNobodyElse) {
  MakePool(0, 3);
  const std::vector<Borrowed> all = BorrowAll(3);
  all[1].borrower->idle_since_ = absl::FromUnixSeconds(100);
  all[2].borrower->idle_since_ = absl::FromUnixSeconds(99);
  const Borrowed waiting = Borrow();
  Advance(absl::Milliseconds(500));
  EXPECT_EQ(all[0].borrower->asked_, 0);
  EXPECT_EQ(all[1].borrower->asked_, 0);
  EXPECT_EQ(all[2].borrower->asked_, 1);
  EXPECT_THAT(asked_back_, ElementsAre(AskReason::kPressure));
  EndReleased(3);
  BecomeReady(4);
  EXPECT_TRUE(waiting.outcome->lease.ok());
}

TEST_F(WorkerPoolDemandTest, AsManyAreAskedAsWait) {
  MakePool(0, 4);
  const std::vector<Borrowed> all = BorrowAll(4);
  for (const Borrowed& one : all) one.borrower->idle_since_ = clock_.Now();
  const std::vector<Borrowed> waiting = {Borrow(), Borrow()};
  EXPECT_EQ(asked_back_.size(), 2u);
  EXPECT_EQ(all[0].borrower->asked_, 1);
  EXPECT_EQ(all[1].borrower->asked_, 1);
}

TEST_F(WorkerPoolDemandTest, NobodyIsAskedWhileAWorkerCanBeStartedOrIsComing) {
  MakePool(0, 2);
  const Borrowed first = Borrow();
  BecomeReady(1);
  first.borrower->idle_since_ = clock_.Now();
  const Borrowed second = Borrow();  // Starts.
  Advance(absl::Seconds(1));
  EXPECT_EQ(first.borrower->asked_, 0);
  BecomeReady(2);
  // Given back by itself, or discarded: on the way.
  pool_->Discard(*second.outcome->lease, WorkerFailure::TIME_LIMIT, absl::Seconds(1),
                 [](const WorkerFailure&) {});
  const Borrowed third = Borrow();
  EXPECT_EQ(first.borrower->asked_, 0);
  const Borrowed fourth = Borrow();
  EXPECT_EQ(first.borrower->asked_, 1);
}

TEST_F(WorkerPoolDemandTest, OldestLoanIsAskedIfAllAreInACall) {
  MakePool(0, 2);
  const std::vector<Borrowed> all = BorrowAll(2);
  const Borrowed waiting = Borrow();
  EXPECT_EQ(all[0].borrower->asked_, 1);
  Advance(absl::Seconds(1));
  EXPECT_EQ(all[0].borrower->asked_, 1) << "once";
  EXPECT_EQ(all[1].borrower->asked_, 1) << "later, for the first may take long";
}

TEST_F(WorkerPoolDemandTest, WhoBecomesIdleIsAskedThoughAnotherStillIsInItsCall) {
  MakePool(0, 2);
  const std::vector<Borrowed> all = BorrowAll(2);
  const Borrowed waiting = Borrow();
  ASSERT_EQ(all[0].borrower->asked_, 1);
  all[1].borrower->idle_since_ = clock_.Now();
  Advance(absl::Milliseconds(50));
  EXPECT_EQ(all[1].borrower->asked_, 1);
  EndReleased(2);
  BecomeReady(3);
  EXPECT_TRUE(waiting.outcome->lease.ok());
}

TEST_F(WorkerPoolDemandTest, WhoNeverGivesBackIsAskedOnceAndAnotherInstead) {
  MakePool(0, 2);
  const std::vector<Borrowed> all = BorrowAll(2);
  for (const Borrowed& one : all) one.borrower->idle_since_ = clock_.Now();
  all[0].borrower->never_ = true;
  const Borrowed waiting = Borrow();
  Advance(absl::Seconds(1));
  EXPECT_GE(all[0].borrower->asked_, 1);
  EXPECT_EQ(all[1].borrower->asked_, 1);
  EXPECT_GE(asked_back_.size(), 1u);
}

// The oldest loan may be in a call that takes minutes.
TEST_F(WorkerPoolDemandTest, OneThatDoesNotGiveBackInTimeShieldsNobody) {
  MakePool(0, 3);
  const std::vector<Borrowed> all = BorrowAll(3);
  const Borrowed waiting = Borrow();
  EXPECT_EQ(asked_back_.size(), 1u);
  EXPECT_EQ(all[0].borrower->asked_, 1);
  Advance(absl::Milliseconds(50));
  EXPECT_EQ(all[1].borrower->asked_, 1);
  EXPECT_EQ(all[2].borrower->asked_, 0);
  Advance(absl::Milliseconds(50));
  EXPECT_EQ(all[2].borrower->asked_, 1);
  // The first that gives it back is enough.
  pool_->Return(*all[1].outcome->lease);
  Settle();
  EXPECT_TRUE(waiting.outcome->lease.ok());
  EXPECT_EQ(all[0].borrower->withdrawn_, 1);
  EXPECT_EQ(all[2].borrower->withdrawn_, 1);
}

TEST_F(WorkerPoolDemandTest, RequestThatIsCancelledWaitsNoMore) {
  MakePool(0, 1);
  const std::vector<Borrowed> all = BorrowAll(1);
  auto kept = std::make_shared<int>(0);
  WorkerRequest request;
  request.timeout = absl::Hours(1);
  request.client = 5;
  const WorkerSource::Ticket ticket = pool_->Acquire(
      std::move(request), [kept](const absl::StatusOr<Lease>&) { ADD_FAILURE(); },
      [](const WorkerFailure&) {});
  Settle();
  EXPECT_EQ(waiting_, 1);
  pool_->Cancel(ticket);
  Settle();
  EXPECT_EQ(waiting_, 0);
  EXPECT_EQ(kept.use_count(), 1) << "what it holds is let go";
  EXPECT_EQ(all[0].borrower->withdrawn_, 1);
  pool_->Return(*all[0].outcome->lease);
  Settle();
}

TEST_F(WorkerPoolDemandTest, BorrowersAreLetGoWithTheirLease) {
  MakePool(0, 2);
  std::vector<Borrowed> all = BorrowAll(2);
  const std::weak_ptr<FakeBorrower> released = all[0].borrower;
  const std::weak_ptr<FakeBorrower> discarded = all[1].borrower;
  pool_->Release(*all[0].outcome->lease);
  pool_->Discard(*all[1].outcome->lease, WorkerFailure::TIME_LIMIT, absl::Seconds(1),
                 [](const WorkerFailure&) {});
  Settle();
  all.clear();
  EXPECT_TRUE(released.expired());
  EXPECT_TRUE(discarded.expired());
}

TEST_F(WorkerPoolDemandTest, GrownWorkerIsAskedForOnce) {
  memory_limit_ = int64_t{4} << 30;
  MakePool(0, 2);
  const std::vector<Borrowed> all = BorrowAll(1);
  client(1).Call(WorkerMethod::kStartSession, {}, absl::InfiniteFuture(),
                 [](const WorkerReply&) {});
  client(1).Answer({});
  spawner_.process(1).usage.memory_bytes = 1000;
  Advance(absl::Seconds(2));
  EXPECT_EQ(all[0].borrower->asked_, 0);
  spawner_.process(1).usage.memory_bytes = 2 * kGrowthBytes;
  Advance(absl::Seconds(10));
  EXPECT_EQ(all[0].borrower->asked_, 1);
  EXPECT_THAT(asked_back_, ElementsAre(AskReason::kGrowth));
  EXPECT_THAT(deaths_, IsEmpty());
}

// Warm workers.

class WarmWorkersTest : public WorkerPoolDemandTest {
 protected:
  // A worker takes two seconds to start.
  void Start(int warm, int max) {
    MakePool(warm, max);
    for (int i = 1; i <= warm; ++i) spawner_.process(i).usage.memory_bytes = 100;
    Advance(absl::Seconds(2));
    for (int i = 1; i <= warm; ++i) BecomeReady(i);
  }
  // Each session is over at once.
  void RunSessions(int count, absl::Duration pause) {
    for (int i = 0; i < count; ++i) {
      const auto session = Acquire();
      Advance(pause);
      if (session->lease.ok()) pool_->Return(*session->lease);
      Settle();
    }
  }
  void MakeAllReady() {
    while (ready_ < spawner_.last()) BecomeReady(++ready_);
  }
  uint64_t ready_ = 2;
};

TEST_F(WarmWorkersTest, GrowWithTheDemandAndGoWithIt) {
  Start(2, 50);
  EXPECT_EQ(warm_target_, 2);
  RunSessions(100, absl::Milliseconds(250));  // Four in a second.
  EXPECT_GT(warm_target_, 8);
  const int busy_target = warm_target_;
  MakeAllReady();
  while (static_cast<int>(spawner_.alive().size()) < busy_target) {
    RunSessions(1, absl::Milliseconds(250));
    MakeAllReady();
  }
  Advance(absl::Minutes(2));
  EXPECT_EQ(warm_target_, 2);
  ExitKilled();
  EXPECT_EQ(spawner_.alive().size(), 2u);
}

TEST_F(WarmWorkersTest, StayWithinTheMemoryOfTheMachine) {
  Start(2, 50);
  available_memory_ = 2 * 3 * 100;  // Half of it is three workers.
  RunSessions(100, absl::Milliseconds(250));
  EXPECT_LE(warm_target_, 2 + 3);
  EXPECT_GE(warm_target_, 3);
}

TEST_F(WarmWorkersTest, OnlyThoseAreRetiredThatNobodyNeededAllTheTime) {
  MakePool(1, 10);
  std::vector<std::shared_ptr<Outcome>> loans;
  for (int i = 0; i < 6; ++i) loans.push_back(Acquire());
  ready_ = 0;
  MakeAllReady();
  ASSERT_EQ(spawner_.alive().size(), 7u) << "one is warm";
  for (const auto& loan : loans) pool_->Return(*loan->lease);
  Settle();
  Advance(absl::Seconds(5));
  ExitKilled();
  EXPECT_EQ(spawner_.alive().size(), 6u) << "the others were in use when the first came back";
  Advance(absl::Seconds(3));
  loans = {Acquire(), Acquire(), Acquire()};
  for (const auto& loan : loans) pool_->Return(*loan->lease);
  Settle();
  Advance(absl::Milliseconds(1999));
  ExitKilled();
  EXPECT_EQ(spawner_.alive().size(), 6u);
  Advance(absl::Milliseconds(1));
  ExitKilled();
  EXPECT_EQ(spawner_.alive().size(), 4u) << "as many as were in use at once, and the warm one";
  Advance(absl::Seconds(5));
  ExitKilled();
  EXPECT_EQ(spawner_.alive().size(), 1u);
}

TEST_F(WarmWorkersTest, SurplusThatIsNeededNowAndThenIsKept) {
  MakePool(1, 10);  // They start at once, so that the demand alone asks for no more.
  BecomeReady(1);
  std::vector<std::shared_ptr<Outcome>> loans;
  for (int i = 0; i < 5; ++i) loans.push_back(Acquire());
  ready_ = 1;
  MakeAllReady();
  for (int round = 0; round < 10; ++round) {
    for (const auto& loan : loans) pool_->Return(*loan->lease);
    loans.clear();
    Advance(absl::Seconds(4));
    ExitKilled();
    const size_t spawned = spawner_.spawned();
    for (int i = 0; i < 5; ++i) loans.push_back(Acquire());
    for (const auto& loan : loans) ASSERT_TRUE(loan->lease.ok()) << round;
    EXPECT_EQ(spawner_.spawned(), spawned) << round;
  }
}

}  // namespace
}  // namespace holdfast
