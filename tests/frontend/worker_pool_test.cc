#include "frontend/worker_pool.h"

#include <signal.h>

#include "tests/frontend/supervision_fixture.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

WorkerPool::Options WithWarm(int warm, int max) {
  WorkerPool::Options options;
  options.warm = warm;
  options.max = max;
  return options;
}

TEST(WorkerStateTest, OnlyTheTableIsLegal) {
  using S = WorkerState;
  const std::vector<std::pair<S, S>> legal = {
      {S::kStarting, S::kIdle},    {S::kStarting, S::kRetiring}, {S::kStarting, S::kDead},
      {S::kIdle, S::kLeased},      {S::kIdle, S::kRetiring},     {S::kIdle, S::kDead},
      {S::kLeased, S::kIdle},      {S::kLeased, S::kRetiring},   {S::kLeased, S::kDead},
      {S::kLeased, S::kResetting}, {S::kResetting, S::kIdle},    {S::kResetting, S::kRetiring},
      {S::kResetting, S::kDead},   {S::kRetiring, S::kDead},
  };
  for (int from = 0; from < kWorkerStates; ++from) {
    for (int to = 0; to < kWorkerStates; ++to) {
      const std::pair<S, S> pair(static_cast<S>(from), static_cast<S>(to));
      EXPECT_EQ(IsLegalTransition(pair.first, pair.second),
                std::find(legal.begin(), legal.end(), pair) != legal.end())
          << WorkerStateName(pair.first) << " -> " << WorkerStateName(pair.second);
    }
  }
}

class WorkerPoolTest : public SupervisionFixture {};

TEST_F(WorkerPoolTest, KeepsWarmWorkersReadyAndReplacesLeasedOnes) {
  MakePool(WithWarm(2, 10));
  EXPECT_EQ(spawner_.spawned(), 2u);
  BecomeReady(1);
  BecomeReady(2);
  EXPECT_EQ(spawner_.spawned(), 2u);
  const auto first = Acquire();
  ASSERT_TRUE(first->lease.ok());
  EXPECT_EQ(first->lease->worker_id, 1u);
  EXPECT_EQ(spawner_.spawned(), 3u) << "a third, to be warm for the next";
}

TEST_F(WorkerPoolTest, NeverExceedsTheMaximumAndServesWaitersInOrder) {
  MakePool(WithWarm(0, 1));
  EXPECT_EQ(spawner_.spawned(), 1u) << "to learn what workers offer";
  const auto first = Acquire();
  const auto second = Acquire();
  const auto third = Acquire();
  EXPECT_EQ(spawner_.spawned(), 1u);
  BecomeReady(1);
  ASSERT_TRUE(first->lease.ok());
  EXPECT_TRUE(second->is_waiting());
  pool_->Return(*first->lease);
  Settle();
  ASSERT_TRUE(second->lease.ok());
  EXPECT_EQ(second->lease->worker_id, 1u) << "it was not used";
  EXPECT_TRUE(third->is_waiting());
}

TEST_F(WorkerPoolTest, ReleasedWorkerIsToldThenKilledAndReplaced) {
  MakePool(WithWarm(0, 1));
  const auto first = Acquire();
  const auto second = Acquire();
  BecomeReady(1);
  pool_->Release(*first->lease);
  Settle();
  ASSERT_EQ(client(1).calls().size(), 1u);
  EXPECT_EQ(client(1).calls()[0].method, WorkerMethod::kEndSession);
  EXPECT_EQ(spawner_.process(1).kills, 0);
  client(1).Answer({});
  Settle();
  EXPECT_EQ(spawner_.process(1).kills, 1);
  Exit(1, SIGKILL);
  EXPECT_THAT(deaths_, ElementsAre(Pair(WorkerState::kRetiring, WorkerFailure::UNKNOWN)));
  EXPECT_TRUE(first->exits.empty()) << "it was given back";
  EXPECT_EQ(spawner_.spawned(), 2u);
  BecomeReady(2);
  EXPECT_TRUE(second->lease.ok());
}

TEST_F(WorkerPoolTest, ReleasedWorkerThatDoesNotListenIsKilledAfterASecond) {
  MakePool(WithWarm(0, 1));
  const auto first = Acquire();
  BecomeReady(1);
  pool_->Release(*first->lease);
  Settle();
  Advance(absl::Milliseconds(999));
  EXPECT_EQ(spawner_.process(1).kills, 0);
  Advance(absl::Milliseconds(1));
  EXPECT_EQ(spawner_.process(1).kills, 1);
}

TEST_F(WorkerPoolTest, WaitEndsWithResourceExhausted) {
  WorkerPool::Options options = WithWarm(0, 1);
  options.wait_timeout = absl::Seconds(30);
  MakePool(options);
  const auto first = Acquire();
  BecomeReady(1);
  const auto hasty = Acquire(absl::Seconds(1));
  const auto patient = Acquire(absl::Hours(1));
  Advance(absl::Seconds(1));
  EXPECT_EQ(hasty->lease.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(hasty->lease.status().message()), HasSubstr("--max_workers"));
  EXPECT_TRUE(patient->is_waiting());
  Advance(absl::Seconds(29));
  EXPECT_EQ(patient->lease.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(WorkerPoolTest, HolderHearsOfAnExitOnce) {
  MakePool(WithWarm(0, 1));
  const auto first = Acquire();
  BecomeReady(1);
  spawner_.Output(1, /*is_stderr=*/true, "last words\xff\n");
  Exit(1, SIGSEGV);
  ASSERT_EQ(first->exits.size(), 1u);
  EXPECT_EQ(first->exits[0].cause(), WorkerFailure::SIGNAL);
  EXPECT_EQ(first->exits[0].signal(), SIGSEGV);
  EXPECT_EQ(first->exits[0].stderr_tail(), "last words?\n");
  EXPECT_FALSE(std::filesystem::exists(scratch_ + "/worker-1"));
  pool_->Release(*first->lease);
  Settle();
  EXPECT_EQ(first->exits.size(), 1u);
}

TEST_F(WorkerPoolTest, DeathOnLoanDelaysNothing) {
  MakePool(WithWarm(0, 1));
  for (uint64_t worker = 1; worker <= 20; ++worker) {
    const auto loan = Acquire();
    ASSERT_EQ(spawner_.spawned(), worker);
    BecomeReady(worker);
    ASSERT_TRUE(loan->lease.ok());
    Exit(worker, SIGSEGV);
    pool_->Release(*loan->lease);
    Settle();
  }
  EXPECT_TRUE(pool_->is_ready());
}

TEST_F(WorkerPoolTest, DiscardTellsTheRecordWhetherTheWorkerIsDeadOrNot) {
  MakePool(WithWarm(0, 3));
  std::vector<WorkerFailure> gone;
  const auto on_gone = [&](const WorkerFailure& failure) { gone.push_back(failure); };
  // Already dead.
  const auto dead = Acquire();
  BecomeReady(1);
  Exit(1, SIGABRT);
  pool_->Discard(*dead->lease, WorkerFailure::LINK, absl::Seconds(1), on_gone);
  Settle();
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].cause(), WorkerFailure::SIGNAL);
  EXPECT_EQ(gone[0].signal(), SIGABRT);
  // Dying: its own end counts, if it comes within the grace.
  const auto dying = Acquire();
  BecomeReady(2);
  pool_->Discard(*dying->lease, WorkerFailure::LINK, absl::Seconds(1), on_gone);
  Settle();
  EXPECT_EQ(spawner_.process(2).kills, 0);
  Exit(2, SIGSEGV);
  ASSERT_EQ(gone.size(), 2u);
  EXPECT_EQ(gone[1].cause(), WorkerFailure::SIGNAL);
  Advance(absl::Seconds(2));
  // Alive: killed, and the cause is ours whatever the signal.
  const auto alive = Acquire();
  BecomeReady(3);
  pool_->Discard(*alive->lease, WorkerFailure::TIME_LIMIT, absl::ZeroDuration(), on_gone);
  Settle();
  EXPECT_EQ(spawner_.process(3).kills, 1);
  Exit(3, SIGKILL);
  ASSERT_EQ(gone.size(), 3u);
  EXPECT_EQ(gone[2].cause(), WorkerFailure::TIME_LIMIT);
}

TEST_F(WorkerPoolTest, StartThatHangsIsKilledAndToldApart) {
  WorkerPool::Options options = WithWarm(1, 1);
  options.start_timeout = absl::Seconds(20);
  MakePool(options);
  spawner_.Started(1);
  Advance(absl::Seconds(20));
  EXPECT_EQ(spawner_.process(1).kills, 1);
  Exit(1, SIGKILL);
  EXPECT_THAT(deaths_, ElementsAre(Pair(WorkerState::kStarting, WorkerFailure::START_TIMEOUT)));
}

TEST_F(WorkerPoolTest, StartFailuresBackOffThenNotReadyThenRecover) {
  MakePool(WithWarm(1, 4));
  const auto waiting = Acquire();
  std::vector<absl::Duration> pauses;
  for (int failure = 1; failure <= 8; ++failure) {
    const auto alive = spawner_.alive();
    for (const ProcessId process : alive) {
      spawner_.Started(process);
      spawner_.Output(process, /*is_stderr=*/true, "no licence");
      spawner_.ExitWithCode(process, 1);
      Settle();
    }
    ASSERT_TRUE(spawner_.alive().empty()) << "back-off, not a storm";
    const absl::Time before = clock_.Now();
    const size_t spawned = spawner_.spawned();
    while (spawner_.spawned() == spawned) Advance(clock_.UntilNext());
    pauses.push_back(clock_.Now() - before);
  }
  for (size_t i = 1; i < pauses.size(); ++i) EXPECT_GE(pauses[i], pauses[i - 1]);
  EXPECT_EQ(pauses.front(), absl::Milliseconds(100));
  EXPECT_EQ(pauses.back(), absl::Seconds(5));
  EXPECT_FALSE(pool_->is_ready());
  EXPECT_EQ(waiting->lease.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(waiting->lease.status().message()), HasSubstr("no licence"));
  // The probe succeeds: calls are served again.
  BecomeReady(spawner_.last());
  EXPECT_TRUE(Acquire()->lease.ok());
  EXPECT_TRUE(pool_->is_ready());
  EXPECT_TRUE(readiness_.back().first);
}

TEST_F(WorkerPoolTest, WorkerThatStaysUpMakesReadyAgainWithoutCalls) {
  MakePool(WithWarm(1, 1));
  for (int failure = 0; failure < 5; ++failure) {
    Exit(spawner_.last(), SIGABRT);
    while (spawner_.alive().empty()) Advance(clock_.UntilNext());
  }
  EXPECT_FALSE(pool_->is_ready());
  BecomeReady(spawner_.last());
  EXPECT_FALSE(pool_->is_ready()) << "it may die like the others";
  Advance(RestartPolicyOptions().window);
  EXPECT_TRUE(pool_->is_ready());
}

TEST_F(WorkerPoolTest, MissingLibraryIsNotReadyAtOnce) {
  MakePool(WithWarm(2, 4));
  const auto waiting = Acquire();
  for (const ProcessId process : spawner_.alive()) {
    spawner_.Started(process);
    spawner_.Output(process, true, "error while loading shared libraries");
    spawner_.ExitWithCode(process, 127);
    Settle();
  }
  EXPECT_FALSE(pool_->is_ready());
  EXPECT_EQ(waiting->lease.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(waiting->lease.status().message()), HasSubstr("shared libraries"));
}

TEST_F(WorkerPoolTest, WithoutWarmWorkersItTriesOnWhileNotReady) {
  MakePool(WithWarm(0, 4));
  BecomeReady(1);
  ASSERT_TRUE(Acquire()->lease.ok());
  const auto waiting = Acquire();
  spawner_.Started(2);
  spawner_.ExitWithCode(2, 127);
  Settle();
  EXPECT_FALSE(pool_->is_ready());
  EXPECT_EQ(waiting->lease.status().code(), absl::StatusCode::kUnavailable);
  Advance(RestartPolicyOptions().max_backoff);
  ASSERT_EQ(spawner_.spawned(), 3u) << "nobody waits, and yet it must find out";
  BecomeReady(3);
  EXPECT_TRUE(Acquire()->lease.ok());
  EXPECT_TRUE(pool_->is_ready());
}

TEST_F(WorkerPoolTest, IdleWorkersThatDieAreReplaced) {
  MakePool(WithWarm(1, 1));
  BecomeReady(1);
  Advance(absl::Hours(1));
  Exit(1, SIGKILL);
  Advance(absl::Seconds(1));
  EXPECT_EQ(spawner_.spawned(), 2u);
  BecomeReady(2);
  EXPECT_TRUE(pool_->is_ready());
  EXPECT_TRUE(Acquire()->lease.ok());
}

TEST_F(WorkerPoolTest, WorkersThatNobodyNeedsAreRetired) {
  MakePool(WithWarm(1, 10));
  BecomeReady(1);
  std::vector<std::shared_ptr<Outcome>> loans;
  for (int i = 0; i < 4; ++i) loans.push_back(Acquire());
  for (uint64_t worker = 2; worker <= 5; ++worker) BecomeReady(worker);
  for (const auto& loan : loans) pool_->Return(*loan->lease);
  Settle();
  EXPECT_EQ(spawner_.alive().size(), 5u);
  Advance(absl::Minutes(2));
  for (const ProcessId process : spawner_.alive()) {
    if (spawner_.process(process).kills > 0) Exit(process, SIGKILL);
  }
  EXPECT_EQ(spawner_.alive().size(), 1u);
}

TEST_F(WorkerPoolTest, WorkerThatDoesNotDieIsNotWaitedForLong) {
  MakePool(WithWarm(0, 2));
  const auto loan = Acquire();
  BecomeReady(1);
  std::vector<WorkerFailure> gone;
  pool_->Discard(*loan->lease, WorkerFailure::TIME_LIMIT, absl::ZeroDuration(),
                 [&](const WorkerFailure& failure) { gone.push_back(failure); });
  Settle();
  EXPECT_TRUE(gone.empty());
  Advance(absl::Seconds(5));
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].cause(), WorkerFailure::TIME_LIMIT);
  Exit(1, SIGKILL);
  EXPECT_EQ(gone.size(), 1u);
}

TEST_F(WorkerPoolTest, IdleWorkerThatIsDeadAlreadyIsNotLent) {
  MakePool(WithWarm(2, 4));
  BecomeReady(1);
  BecomeReady(2);
  spawner_.process(1).condition = ProcessCondition::kEnded;
  const auto first = Acquire();
  ASSERT_TRUE(first->lease.ok());
  EXPECT_EQ(first->lease->worker_id, 2u);
  const auto second = Acquire();
  EXPECT_TRUE(second->is_waiting());
  Exit(1, SIGKILL);
  BecomeReady(3);
  EXPECT_TRUE(second->lease.ok());
}

TEST_F(WorkerPoolTest, IdleWorkerThatIsStoppedIsReplacedAndNotLent) {
  MakePool(WithWarm(2, 4));
  BecomeReady(1);
  BecomeReady(2);
  spawner_.process(1).condition = ProcessCondition::kStopped;
  const auto first = Acquire();
  ASSERT_TRUE(first->lease.ok());
  EXPECT_EQ(first->lease->worker_id, 2u);
  EXPECT_EQ(spawner_.process(1).kills, 1);
  EXPECT_EQ(spawner_.spawned(), 4u) << "for both";
  Exit(1, SIGKILL);
  EXPECT_THAT(deaths_, ElementsAre(Pair(WorkerState::kRetiring, WorkerFailure::UNKNOWN)));
  BecomeReady(3);
  EXPECT_TRUE(Acquire()->lease.ok());
}

TEST_F(WorkerPoolTest, StoppedWorkersAreNoStartFailures) {
  MakePool(WithWarm(1, 1));
  for (uint64_t worker = 1; worker <= 20; ++worker) {
    BecomeReady(worker);
    spawner_.process(worker).condition = ProcessCondition::kStopped;
    const auto waiting = Acquire(absl::Seconds(1));
    EXPECT_TRUE(waiting->is_waiting());
    Exit(worker, SIGKILL);
    ASSERT_EQ(spawner_.spawned(), worker + 1) << "there is no back-off";
    Advance(absl::Seconds(1));
  }
  EXPECT_TRUE(pool_->is_ready());
}

TEST_F(WorkerPoolTest, StartLostWithTheSpawnerIsNoStartFailure) {
  MakePool(WithWarm(1, 1));
  for (uint64_t worker = 1; worker <= 20; ++worker) {
    ASSERT_EQ(spawner_.spawned(), worker) << "there is no back-off";
    if (worker % 2 == 0) spawner_.Started(worker);
    spawner_.LoseSpawner(worker);
    Settle();
    EXPECT_EQ(deaths_.back(), std::pair(WorkerState::kStarting, WorkerFailure::SPAWNER_LOST));
  }
  EXPECT_TRUE(pool_->is_ready());
}

TEST_F(WorkerPoolTest, StartForWantOfASpawnerIsAStartFailure) {
  MakePool(WithWarm(1, 1));
  const auto waiting = Acquire();
  while (pool_->is_ready()) {
    spawner_.FailToStart(spawner_.last(), "there is no spawner process: EPERM");
    EXPECT_EQ(deaths_.back(), std::pair(WorkerState::kStarting, WorkerFailure::SPAWN));
    Settle();
    while (spawner_.alive().empty()) Advance(clock_.UntilNext());
  }
  EXPECT_THAT(std::string(waiting->lease.status().message()), HasSubstr("EPERM"));
}

TEST_F(WorkerPoolTest, StopFailsWaitersAndStartsNothing) {
  MakePool(WithWarm(1, 1));
  const auto waiting = Acquire();
  pool_->Stop();
  EXPECT_EQ(waiting->lease.status().code(), absl::StatusCode::kUnavailable);
  Exit(1, SIGKILL);
  Advance(absl::Hours(1));
  EXPECT_EQ(spawner_.spawned(), 1u);
}

}  // namespace
}  // namespace holdfast
