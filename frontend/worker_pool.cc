// WorkerPool: requests, loans, and what becomes of workers. How many there are, and who gets them,
// is in worker_pool_balance.cc.
#include "frontend/worker_pool.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/invariant.h"
#include "frontend/failure_status.h"

namespace holdfast {
namespace {

// From the kill of a worker to its end, at most, for those who wait for it.
constexpr absl::Duration kExitTimeout = absl::Seconds(5);

}  // namespace

WorkerPool::WorkerPool(const Options& options, WorkerCommand command,
                       const WorkerSlot::Dependencies& dependencies, Observer observer)
    : options_(options),
      command_(std::move(command)),
      dependencies_(dependencies),
      observer_(std::move(observer)),
      watchdog_(command_.limits, dependencies.clock, dependencies.spawner),
      start_failures_(options.restart),
      self_(std::make_shared<WorkerPool*>(this)) {}

WorkerPool::~WorkerPool() {
  *self_ = nullptr;
  for (const Clock::TimerId timer : {retry_timer_, ask_timer_, surplus_timer_}) {
    dependencies_.clock->Cancel(timer);
  }
  while (!waiters_.empty()) dependencies_.clock->Cancel(waiters_.Pop().timer);
}

void WorkerPool::Start() {
  is_running_ = true;
  is_ready_ = true;
  observer_.on_readiness(true, "");
  Balance();
}

void WorkerPool::Stop() {
  is_running_ = false;
  dependencies_.clock->Cancel(retry_timer_);
  for (const Clock::TimerId timer : {ask_timer_, surplus_timer_}) {
    dependencies_.clock->Cancel(timer);
  }
  for (auto& loan : loans_) loan.second.on_exit = nullptr;
  for (auto& slot : slots_) slot.second->Kill(WorkerFailure::SHUTDOWN);
  FailWaiters(absl::UnavailableError("the service is shutting down"));
}

std::vector<WorkerInfo> WorkerPool::List() const {
  std::vector<WorkerInfo> workers;
  std::vector<ProcessId> processes;
  for (const auto& [id, slot] : slots_) {
    workers.push_back({id, slot->pid(), slot->state(), dependencies_.clock->Now() - slot->started(),
                       /*resident_bytes=*/0, slot->resets()});
    processes.push_back(slot->process());
  }
  const auto usages = dependencies_.spawner->Measure(processes, /*whole_groups=*/false);
  for (size_t i = 0; i < workers.size(); ++i) {
    if (usages[i].has_value()) workers[i].resident_bytes = usages[i]->memory_bytes;
  }
  absl::c_sort(workers, [](const WorkerInfo& a, const WorkerInfo& b) { return a.id < b.id; });
  return workers;
}

absl::optional<pid_t> WorkerPool::Kill(uint64_t worker) {
  const WorkerSlot* const slot = FindSlot(worker);
  if (slot == nullptr || slot->pid() == 0) return absl::nullopt;
  const pid_t pid = slot->pid();
  dependencies_.spawner->Kill(slot->process());
  return pid;
}

// Thread-safe entries: each posts itself to the supervision thread.

WorkerSource::Ticket WorkerPool::Acquire(WorkerRequest request, OnLease on_lease,
                                         OnFailure on_exit) {
  const Ticket ticket = {request.client, ++last_ticket_};
  dependencies_.post([self = self_, number = ticket.number, request = std::move(request),
                      on_lease = std::move(on_lease), on_exit = std::move(on_exit)]() mutable {
    if (*self == nullptr) return;
    (*self)->AcquireNow(std::move(request), number, std::move(on_lease), std::move(on_exit));
  });
  return ticket;
}

void WorkerPool::Cancel(const Ticket& ticket) {
  dependencies_.post([self = self_, ticket] {
    if (*self == nullptr) return;
    WorkerPool& pool = **self;
    const absl::optional<Waiter> waiter = pool.waiters_.Remove(ticket.client, ticket.number);
    if (!waiter.has_value()) return;
    pool.dependencies_.clock->Cancel(waiter->timer);
    pool.Balance();
  });
}

void WorkerPool::Return(Lease lease) {
  dependencies_.post([self = self_, worker = lease.worker_id] {
    if (*self == nullptr) return;
    WorkerPool& pool = **self;
    pool.loans_.erase(worker);
    WorkerSlot* slot = pool.FindSlot(worker);
    if (slot != nullptr && slot->state() == WorkerState::kLeased) {
      slot->Return();
      pool.idle_.push_back(worker);
    }
    pool.Balance();
  });
}

void WorkerPool::Release(Lease lease) {
  dependencies_.post([self = self_, worker = lease.worker_id] {
    if (*self != nullptr) (*self)->ReleaseNow(worker);
  });
}

void WorkerPool::Discard(Lease lease, WorkerFailure::Cause cause, absl::Duration grace,
                         OnFailure on_gone) {
  dependencies_.post([self = self_, worker = lease.worker_id, cause, grace,
                      on_gone = std::move(on_gone)]() mutable {
    if (*self != nullptr) (*self)->DiscardNow(worker, cause, grace, std::move(on_gone));
  });
}

// The supervision thread, from here on.

void WorkerPool::AcquireNow(WorkerRequest request, uint64_t ticket, OnLease on_lease,
                            OnFailure on_exit) {
  if (!is_running_) {
    on_lease(absl::UnavailableError("the service is shutting down"));
    return;
  }
  Waiter waiter{std::move(on_lease), std::move(on_exit), std::move(request.borrower), 0};
  demand_.Count(dependencies_.clock->Now());
  if (request.only_spare) {
    WorkerSlot* const spare = FindUsable();  // While there is one, nobody waits.
    if (spare == nullptr) {
      waiter.on_lease(absl::ResourceExhaustedError("no worker is idle"));
      return;
    }
    Lend(spare, std::move(waiter));
  } else {
    waiter.timer = dependencies_.clock->RunAfter(
        std::min(request.timeout, options_.wait_timeout),
        [this, client = request.client, ticket] { WaitTimedOut(client, ticket); });
    waiters_.Push(request.client, ticket, std::move(waiter));
  }
  Balance();
}

void WorkerPool::WaitTimedOut(uint64_t client, uint64_t ticket) {
  absl::optional<Waiter> waiter = waiters_.Remove(client, ticket);
  if (!waiter.has_value()) return;
  TellDemand();
  waiter->on_lease(absl::ResourceExhaustedError(absl::StrCat(
      "no worker became free in time: ", CountAlive(), " of at most ", options_.max,
      " (--max_workers) are in use; end sessions, raise --max_workers or --worker_wait_timeout (",
      absl::FormatDuration(options_.wait_timeout), ")")));
}

void WorkerPool::ReleaseNow(uint64_t worker) {
  loans_.erase(worker);
  WorkerSlot* const slot = FindSlot(worker);
  if (slot != nullptr && slot->state() == WorkerState::kLeased) {
    if (is_running_ && slot->resets() + 1 < options_.reuse) {
      slot->Reset();
    } else {
      slot->Retire();
    }
  }
  Balance();
}

void WorkerPool::DiscardNow(uint64_t worker, WorkerFailure::Cause cause, absl::Duration grace,
                            OnFailure on_gone) {
  const auto loan = loans_.find(worker);
  if (loan == loans_.end()) {
    ReportBrokenInvariant(absl::StrCat("discarded worker ", worker, " is not on loan"));
    on_gone(WorkerFailure());
    return;
  }
  loan->second.on_exit = nullptr;
  loan->second.borrower = nullptr;
  if (loan->second.failure.has_value()) {
    const WorkerFailure failure = *std::move(loan->second.failure);
    loans_.erase(loan);
    on_gone(failure);
    return;
  }
  loan->second.on_gone = std::move(on_gone);
  // A process can be slow to die, in the kernel; its caller need not wait for that.
  dependencies_.clock->RunAfter(grace + kExitTimeout, [self = self_, worker, cause] {
    if (*self == nullptr) return;
    WorkerFailure failure;
    failure.set_cause(cause);
    (*self)->EndLoan(worker, failure);
  });
  const auto kill = [this, worker, cause] {
    if (WorkerSlot* slot = FindSlot(worker)) slot->Kill(cause);
  };
  if (grace <= absl::ZeroDuration()) {
    kill();
  } else {
    dependencies_.clock->RunAfter(grace, [self = self_, kill] {
      if (*self != nullptr) kill();
    });
  }
}

WorkerSlot* WorkerPool::FindSlot(uint64_t worker) {
  const auto found = slots_.find(worker);
  return found == slots_.end() ? nullptr : found->second.get();
}

void WorkerPool::OnTransition(const WorkerSlot* slot, WorkerState from, WorkerState to) {
  if (from == WorkerState::kLeased) watchdog_.Unwatch(slot->id());
  --counts_[static_cast<int>(from)];
  ++counts_[static_cast<int>(to)];
  observer_.on_transition(from, to);
}

void WorkerPool::OnReady(WorkerSlot* slot, const DescribeReply& description) {
  const uint64_t id = slot->id();
  is_described_ = true;
  idle_.push_back(id);
  if (!start_failures_.empty()) {
    // Nobody may ask for it while the service is not ready: staying up is a success, too.
    dependencies_.clock->RunAfter(options_.restart.window, [self = self_, id] {
      if (*self == nullptr || (*self)->FindSlot(id) == nullptr) return;
      (*self)->start_failures_.Succeeded();
      (*self)->Balance();
    });
  }
  const absl::Duration took = dependencies_.clock->Now() - slot->started();
  start_time_ = start_time_ == absl::ZeroDuration() ? took : start_time_ + (took - start_time_) / 4;
  idle_bytes_ = slot->first_bytes();
  observer_.on_ready(slot->id(), slot->pid(), description, took);
  Balance();
}

void WorkerPool::OnReset(WorkerSlot* slot) {
  idle_.push_back(slot->id());
  observer_.on_reused();
  Balance();
}

void WorkerPool::OnGrown(uint64_t worker) {
  const auto loan = loans_.find(worker);
  if (loan != loans_.end()) AskBack(&loan->second, AskReason::kGrowth);
}

void WorkerPool::OnDead(WorkerSlot* slot, WorkerState last_state) {
  const uint64_t id = slot->id();
  const WorkerFailure& failure = slot->failure();
  const bool is_failure =
      failure.cause() != WorkerFailure::SHUTDOWN &&
      failure.cause() != WorkerFailure::SPAWNER_LOST &&
      (last_state == WorkerState::kStarting || last_state == WorkerState::kIdle);
  idle_.erase(std::remove(idle_.begin(), idle_.end(), id), idle_.end());
  if (is_failure) {
    last_start_failure_ = DescribeFailure(failure);
    const absl::Duration age = dependencies_.clock->Now() - slot->started();
    if (age >= options_.restart.window) start_failures_.Succeeded();
    start_failures_.Failed(dependencies_.clock->Now(), slot->is_permanent_failure());
  }
  observer_.on_dead(id, slot->pid(), last_state, failure);
  --counts_[static_cast<int>(WorkerState::kDead)];
  observer_.on_transition(WorkerState::kDead, absl::nullopt);
  // The slot calls us: it must outlive this call.
  dependencies_.clock->RunAfter(absl::ZeroDuration(),
                                [dead = std::shared_ptr<WorkerSlot>(std::move(slots_[id]))] {});
  slots_.erase(id);
  EndLoan(id, failure);
  Balance();
}

void WorkerPool::EndLoan(uint64_t worker, const WorkerFailure& failure) {
  const auto loan = loans_.find(worker);
  if (loan == loans_.end()) return;
  if (loan->second.on_gone) {
    OnFailure on_gone = std::move(loan->second.on_gone);
    loans_.erase(loan);
    on_gone(failure);
    return;
  }
  loan->second.failure = failure;
  OnFailure on_exit = std::exchange(loan->second.on_exit, nullptr);
  if (on_exit) on_exit(failure);
}

void WorkerPool::CheckInvariants() const {
  CheckInvariant(static_cast<int>(idle_.size()) == Count(WorkerState::kIdle), "idle list holds ",
                 idle_.size(), " workers of ", Count(WorkerState::kIdle));
  CheckInvariant(CountAlive() <= options_.max, "more workers than --max_workers: ", CountAlive());
  CheckInvariant(Count(WorkerState::kDead) == 0, "dead workers are still counted");
}

}  // namespace holdfast
