// WorkerPool: how many workers there are, and who gets them.
#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "frontend/worker_pool.h"

namespace holdfast {
namespace {

// Borrowers do not tell when their calls end: while requests wait, we look so often.
constexpr absl::Duration kAskPeriod = absl::Milliseconds(50);
// What was not needed for so long is surplus.
constexpr absl::Duration kSurplusPeriod = absl::Seconds(5);

}  // namespace

void WorkerPool::Balance() {
  if (!is_running_) return;
  ServeWaiters();
  warm_target_ = ComputeWarmTarget();
  StartWorkers();
  AskBorrowers();
  WatchSurplus();
  TellDemand();
  CheckInvariants();
}

void WorkerPool::ServeWaiters() {
  while (!waiters_.empty()) {
    WorkerSlot* const slot = FindUsable();
    if (slot == nullptr) return;
    Waiter waiter = waiters_.Pop();
    dependencies_.clock->Cancel(waiter.timer);
    Lend(slot, std::move(waiter));
  }
}

WorkerSlot* WorkerPool::FindUsable() {
  for (size_t i = 0; i < idle_.size();) {
    WorkerSlot* const slot = FindSlot(idle_[i]);
    switch (slot->Look()) {
      case ProcessCondition::kRuns:
        return slot;
      case ProcessCondition::kStopped:
        // Its session's first call would wait out its time limit, and the program be blamed. That
        // is still so for one that is stopped from here on: nothing but the limit can tell.
        idle_.erase(idle_.begin() + static_cast<int64_t>(i));
        slot->Retire();
        break;
      case ProcessCondition::kEnded:
        // Workers may have died together: one that is not known to be dead yet would fail its
        // session. OnDead follows.
        ++i;
        break;
    }
  }
  return nullptr;
}

void WorkerPool::Lend(WorkerSlot* slot, Waiter borrower) {
  const uint64_t worker = slot->id();
  idle_.erase(absl::c_find(idle_, worker));
  slot->Lease();
  WorkerWatchdog::Events events;
  events.on_excess = [slot](const WorkerFailure& excess) { slot->Kill(excess); };
  events.on_grown = [this, worker] { OnGrown(worker); };
  watchdog_.Watch(worker, slot->process(), slot->client(), std::move(events));
  start_failures_.Succeeded();
  Loan& loan = loans_[worker];
  loan.number = ++last_loan_;
  loan.borrower = std::move(borrower.borrower);
  loan.on_exit = std::move(borrower.on_exit);
  Lease lease;
  lease.worker_id = worker;
  lease.client = slot->client();
  lease.client_files = slot->client_files();
  borrower.on_lease(std::move(lease));
}

void WorkerPool::FailWaiters(const absl::Status& status) {
  // Only those that wait now.
  std::vector<Waiter> failed;
  while (!waiters_.empty()) failed.push_back(waiters_.Pop());
  for (Waiter& waiter : failed) {
    dependencies_.clock->Cancel(waiter.timer);
    waiter.on_lease(status);
  }
}

// Asks no more than are needed: those idle for longest, and if all are in a call, those who have
// had theirs for longest, as they have to end that call first. A call may take minutes, so for each
// who has not given back after a while another is asked, whose call may be short.
void WorkerPool::AskBorrowers() {
  dependencies_.clock->Cancel(std::exchange(ask_timer_, 0));
  // Who waits for no worker that is there, may be started, or is on its way back.
  int missing = static_cast<int>(waiters_.size()) - (options_.max - CountAlive()) -
                Count(WorkerState::kIdle) - Count(WorkerState::kStarting) -
                Count(WorkerState::kResetting) - Count(WorkerState::kRetiring);
  if (missing <= 0) {
    WithdrawAsks();
    return;
  }
  const absl::Time now = dependencies_.clock->Now();
  struct Candidate {
    absl::Time idle_since;
    uint64_t number;
    Loan* loan;
  };
  std::vector<Candidate> candidates;
  int asked_in_call = 0;
  for (auto& [worker, loan] : loans_) {
    if (FindSlot(worker) == nullptr) continue;  // It has ended, and made room.
    const bool is_given_back = loan.on_exit == nullptr;
    const absl::Time idle_since =
        loan.borrower == nullptr ? absl::InfiniteFuture() : loan.borrower->idle_since();
    if (is_given_back || (loan.asked_for && idle_since != absl::InfiniteFuture())) {
      --missing;
    } else if (loan.asked_for) {
      if (now - loan.asked_at < kAskPeriod) ++asked_in_call;
    } else if (loan.borrower != nullptr) {
      candidates.push_back({idle_since, loan.number, &loan});
    }
  }
  absl::c_sort(candidates, [](const Candidate& a, const Candidate& b) {
    return std::tie(a.idle_since, a.number) < std::tie(b.idle_since, b.number);
  });
  // Whoever was asked in a call does not spare those who are idle by now.
  bool are_idle = true;
  for (const Candidate& candidate : candidates) {
    if (are_idle && candidate.idle_since == absl::InfiniteFuture()) {
      are_idle = false;
      missing -= asked_in_call;
    }
    if (missing <= 0) break;
    if (AskBack(candidate.loan, AskReason::kPressure)) --missing;
  }
  ask_timer_ = dependencies_.clock->RunAfter(kAskPeriod, [this] {
    ask_timer_ = 0;
    AskBorrowers();
  });
}

void WorkerPool::WithdrawAsks() {
  if (!std::exchange(have_asked_, false)) return;
  for (auto& [worker, loan] : loans_) {
    if (loan.asked_for != AskReason::kPressure || loan.borrower == nullptr) continue;
    loan.borrower->Withdraw();
    loan.asked_for.reset();
  }
}

bool WorkerPool::AskBack(Loan* loan, AskReason reason) {
  if (loan->asked_for || loan->borrower == nullptr || !loan->borrower->AskBack()) return false;
  loan->asked_for = reason;
  loan->asked_at = dependencies_.clock->Now();
  have_asked_ = have_asked_ || reason == AskReason::kPressure;
  observer_.on_asked_back(reason);
  return true;
}

int WorkerPool::ComputeWarmTarget() const {
  const WarmDemand demand = {demand_.PerSecond(dependencies_.clock->Now()), start_time_};
  WarmBounds bounds;
  bounds.warm = options_.warm;
  bounds.max = options_.max;
  bounds.leased = Count(WorkerState::kLeased);
  bounds.in_memory = std::numeric_limits<int>::max();
  const int target = WarmTarget(demand, bounds);
  // Without a demand the machine need not be asked.
  if (target <= options_.warm || !options_.available_memory) return target;
  bounds.in_memory = RoomFor(Count(WorkerState::kIdle), options_.available_memory(), idle_bytes_);
  return WarmTarget(demand, bounds);
}

void WorkerPool::StartWorkers() {
  const RestartDecision decision = start_failures_.Decide(dependencies_.clock->Now());
  if (decision.ready != is_ready_) {
    is_ready_ = decision.ready;
    observer_.on_readiness(is_ready_, last_start_failure_);
  }
  // A worker that starts may still serve those who wait; if there is none, waiting is pointless.
  if (!is_ready_ && Count(WorkerState::kStarting) == 0 && !waiters_.empty()) {
    FailWaiters(
        absl::UnavailableError(absl::StrCat("workers cannot be started: ", last_start_failure_)));
  }
  // Even without warm workers one must tell what workers offer, because calls are checked against
  // that; and while the service is not ready, one must try whether it could be.
  const int needed = std::max(warm_target_ + static_cast<int>(waiters_.size()),
                              is_described_ && is_ready_ ? 0 : 1);
  const int wanted = needed - Count(WorkerState::kIdle) - Count(WorkerState::kStarting) -
                     Count(WorkerState::kResetting);
  // While starts fail, one probe at a time is enough.
  const int max_starting = start_failures_.empty() ? options_.max_starting : 1;
  const int count =
      std::min({wanted, options_.max - CountAlive(), max_starting - Count(WorkerState::kStarting)});
  if (count <= 0) return;
  const absl::Duration wait = decision.spawn_at - dependencies_.clock->Now();
  dependencies_.clock->Cancel(retry_timer_);
  if (wait > absl::ZeroDuration()) {
    retry_timer_ = dependencies_.clock->RunAfter(wait, [this] { Balance(); });
    return;
  }
  for (int i = 0; i < count; ++i) StartOne();
}

void WorkerPool::StartOne() {
  WorkerSlot::Events events;
  events.on_ready = [this](WorkerSlot* slot, const DescribeReply& reply) { OnReady(slot, reply); };
  events.on_reset = [this](WorkerSlot* slot) { OnReset(slot); };
  events.on_dead = [this](WorkerSlot* slot, WorkerState last) { OnDead(slot, last); };
  events.on_transition = [this](WorkerSlot* slot, WorkerState from, WorkerState to) {
    OnTransition(slot, from, to);
  };
  events.on_output = [this](const WorkerSlot* slot, bool is_stderr, absl::string_view bytes) {
    observer_.on_output(slot->id(), is_stderr, bytes);
  };
  const uint64_t id = ++last_worker_;
  auto slot = absl::make_unique<WorkerSlot>(id, dependencies_, std::move(events));
  WorkerSlot* const started = slot.get();
  slots_.emplace(id, std::move(slot));
  ++counts_[static_cast<int>(WorkerState::kStarting)];
  observer_.on_transition(absl::nullopt, WorkerState::kStarting);
  started->Start(command_, options_.start_timeout);
}

// What is idle above the target is retired when all of that time it was not needed. The target may
// sink without any event, so as long as there is more than --warm_workers we look again. One worker
// stays in any case: it costs little.
void WorkerPool::WatchSurplus() {
  const int idle = Count(WorkerState::kIdle);
  if (idle <= std::max(options_.warm, 1)) {
    dependencies_.clock->Cancel(std::exchange(surplus_timer_, 0));
    return;
  }
  const int surplus = idle - std::max(warm_target_, 1);
  if (surplus_timer_ != 0) {
    surplus_ = std::min(surplus_, surplus);
    return;
  }
  surplus_ = surplus;
  surplus_timer_ = dependencies_.clock->RunAfter(kSurplusPeriod, [this] {
    surplus_timer_ = 0;
    RetireSurplus();
    Balance();
  });
}

void WorkerPool::RetireSurplus() {
  for (; surplus_ > 0; --surplus_) {
    WorkerSlot* const slot = FindSlot(idle_.front());
    idle_.pop_front();
    slot->Retire();
  }
}

void WorkerPool::TellDemand() {
  const std::pair<int, int> demand(static_cast<int>(waiters_.size()), warm_target_);
  if (demand == told_demand_) return;
  told_demand_ = demand;
  observer_.on_demand(demand.first, demand.second);
}

}  // namespace holdfast
