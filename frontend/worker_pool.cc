#include "frontend/worker_pool.h"

#include <algorithm>
#include <utility>

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
      watchdog_(command_.limits, options.is_memory_watched, dependencies.clock,
                dependencies.spawner),
      start_failures_(options.restart),
      self_(std::make_shared<WorkerPool*>(this)) {}

WorkerPool::~WorkerPool() {
  *self_ = nullptr;
  dependencies_.clock->Cancel(retry_timer_);
  for (Waiter& waiter : waiters_) dependencies_.clock->Cancel(waiter.timer);
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
  for (auto& loan : loans_) loan.second.on_exit = nullptr;
  for (auto& slot : slots_) slot.second->Kill(WorkerFailure::SHUTDOWN);
  FailWaiters(absl::UnavailableError("the service is shutting down"));
}

// Thread-safe entries: each posts itself to the supervision thread.

void WorkerPool::Acquire(WorkerRequest request, OnLease on_lease, OnFailure on_exit) {
  const absl::Duration timeout = request.timeout;
  dependencies_.post([self = self_, timeout, on_lease = std::move(on_lease),
                      on_exit = std::move(on_exit)]() mutable {
    if (*self != nullptr) (*self)->AcquireNow(timeout, std::move(on_lease), std::move(on_exit));
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
    if (*self == nullptr) return;
    WorkerPool& pool = **self;
    pool.loans_.erase(worker);
    WorkerSlot* slot = pool.FindSlot(worker);
    if (slot != nullptr && slot->state() == WorkerState::kLeased) slot->Retire();
    pool.Balance();
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

void WorkerPool::AcquireNow(absl::Duration timeout, OnLease on_lease, OnFailure on_exit) {
  if (!is_running_) {
    on_lease(absl::UnavailableError("the service is shutting down"));
    return;
  }
  const uint64_t ticket = ++last_ticket_;
  const Clock::TimerId timer = dependencies_.clock->RunAfter(
      std::min(timeout, options_.wait_timeout), [this, ticket] { WaitTimedOut(ticket); });
  waiters_.push_back({ticket, std::move(on_lease), std::move(on_exit), timer});
  Balance();
}

void WorkerPool::WaitTimedOut(uint64_t ticket) {
  const auto found = std::find_if(waiters_.begin(), waiters_.end(),
                                  [&](const Waiter& waiter) { return waiter.ticket == ticket; });
  if (found == waiters_.end()) return;
  OnLease on_lease = std::move(found->on_lease);
  waiters_.erase(found);
  on_lease(absl::ResourceExhaustedError(absl::StrCat(
      "no worker became free in time: ", CountAlive(), " of at most ", options_.max,
      " (--max_workers) are in use; end sessions, raise --max_workers or --worker_wait_timeout (",
      absl::FormatDuration(options_.wait_timeout), ")")));
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

void WorkerPool::Balance() {
  if (!is_running_) return;
  ServeWaiters();
  StartWorkers();
  RetireSurplus();
  CheckInvariants();
}

void WorkerPool::ServeWaiters() {
  while (!waiters_.empty()) {
    WorkerSlot* slot = TakeIdle();
    if (slot == nullptr) return;
    Waiter waiter = std::move(waiters_.front());
    waiters_.pop_front();
    dependencies_.clock->Cancel(waiter.timer);
    slot->Lease();
    watchdog_.Watch(slot->id(), slot->process(), slot->client(),
                    [slot](const WorkerFailure& excess) { slot->Kill(excess); });
    start_failures_.Succeeded();
    loans_[slot->id()].on_exit = std::move(waiter.on_exit);
    Lease lease;
    lease.worker_id = slot->id();
    lease.client = slot->client();
    waiter.on_lease(std::move(lease));
  }
}

WorkerSlot* WorkerPool::TakeIdle() {
  for (auto worker = idle_.begin(); worker != idle_.end();) {
    WorkerSlot* slot = FindSlot(*worker);
    switch (slot->Look()) {
      case ProcessCondition::kRuns:
        idle_.erase(worker);
        return slot;
      case ProcessCondition::kStopped:
        // Its session's first call would wait out its time limit, and the program be blamed. That
        // is still so for one that is stopped from here on: nothing but the limit can tell.
        worker = idle_.erase(worker);
        slot->Retire();
        break;
      case ProcessCondition::kEnded:
        // Workers may have died together: one that is not known to be dead yet would fail its
        // session. OnDead follows.
        ++worker;
        break;
    }
  }
  return nullptr;
}

void WorkerPool::FailWaiters(const absl::Status& status) {
  std::deque<Waiter> failed;
  failed.swap(waiters_);
  for (Waiter& waiter : failed) {
    dependencies_.clock->Cancel(waiter.timer);
    waiter.on_lease(status);
  }
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
  const int needed = std::max(options_.warm + static_cast<int>(waiters_.size()),
                              is_described_ && is_ready_ ? 0 : 1);
  const int wanted = needed - static_cast<int>(idle_.size()) - Count(WorkerState::kStarting);
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

void WorkerPool::RetireSurplus() {
  // Those who waited for them have given up. One stays, whatever --warm_workers: it costs little.
  while (static_cast<int>(idle_.size()) > std::max(options_.warm, 1)) {
    WorkerSlot* slot = FindSlot(idle_.front());
    idle_.pop_front();
    slot->Retire();
  }
}

void WorkerPool::StartOne() {
  WorkerSlot::Events events;
  events.on_ready = [this](WorkerSlot* slot, const DescribeReply& reply) { OnReady(slot, reply); };
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
  observer_.on_ready(slot->id(), slot->pid(), description,
                     dependencies_.clock->Now() - slot->started());
  Balance();
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
