#include "frontend/admin/journal.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "frontend/admin/proto_time.h"
#include "frontend/failure_status.h"
#include "frontend/logging/log.h"

namespace holdfast {

WorkerPool::Observer Journal::MakePoolObserver() {
  WorkerPool::Observer observer;
  observer.on_transition = [this](auto from, auto to) { to_.metrics->WorkerTransition(from, to); };
  observer.on_ready = [this](uint64_t worker, pid_t pid, const DescribeReply& description,
                             absl::Duration took) {
    WorkerIsReady(worker, pid, description, took);
  };
  observer.on_dead = [this](uint64_t worker, pid_t pid, WorkerState last_state,
                            const WorkerFailure& failure) {
    WorkerIsDead(worker, pid, last_state, failure);
  };
  observer.on_output = [this](uint64_t worker, bool is_stderr, absl::string_view bytes) {
    to_.worker_log->WorkerOutput(worker, is_stderr, bytes);
  };
  observer.on_readiness = [this](bool ready, const std::string& why) { PoolIsReady(ready, why); };
  observer.on_asked_back = [this](AskReason reason) { to_.metrics->WorkerAskedBack(reason); };
  observer.on_reused = [this] { to_.metrics->WorkerReused(); };
  observer.on_demand = [this](int waiting, int warm_target) {
    to_.metrics->SetWorkerDemand(waiting, warm_target);
  };
  return observer;
}

void Journal::Watch(SessionEnvironment* environment) {
  environment->on_transition = [this](auto from, auto to) {
    to_.metrics->SessionTransition(from, to);
  };
  environment->on_recovery = [this](RecoveryOutcome outcome, absl::Duration took) {
    to_.metrics->Recovered(outcome, took);
  };
  environment->on_failure = [this](CrashEvent event) { SessionFailed(std::move(event)); };
  environment->on_snapshot = [this](SnapshotOutcome outcome) { to_.metrics->Snapshot(outcome); };
  environment->on_refused = [this] { to_.metrics->StepRefused(); };
  environment->history_bytes = to_.metrics->history_bytes();
}

void Journal::WorkerIsReady(uint64_t worker, pid_t pid, const DescribeReply& description,
                            absl::Duration took) {
  to_.metrics->WorkerReady(took);
  LogDebug(Subsystem::kPool, "worker is ready", {{"worker", worker}, {"pid", pid}, {"took", took}});
  to_.description->Set(description);
  had_worker_ = true;
  if (is_pool_ready_) to_.readiness->SetReady();
}

void Journal::WorkerIsDead(uint64_t worker, pid_t pid, WorkerState last_state,
                           const WorkerFailure& failure) {
  to_.metrics->WorkerEnded(last_state, failure.cause());
  to_.worker_log->WorkerGone(worker);
  const bool is_unused = last_state == WorkerState::kStarting || last_state == WorkerState::kIdle;
  // Of others, their session tells.
  const LogLevel level = is_unused && failure.cause() != WorkerFailure::SHUTDOWN
                             ? LogLevel::kWarning
                             : LogLevel::kDebug;
  if (IsLogged(level, Subsystem::kPool)) {
    Log(level, Subsystem::kPool, "worker is gone",
        {{"worker", worker},
         {"pid", pid},
         {"state", WorkerStateName(last_state)},
         {"failure", failure, DescribeFailure(failure)}});
  }
  admin::WorkerExit exit;
  *exit.mutable_time() = ToProto(absl::Now());
  exit.set_worker(worker);
  exit.set_pid(pid);
  exit.set_last_state(std::string(WorkerStateName(last_state)));
  *exit.mutable_failure() = failure;
  exits_.Add(std::move(exit));
}

void Journal::PoolIsReady(bool ready, const std::string& why) {
  is_pool_ready_ = ready;
  if (ready) {
    LogInfo(Subsystem::kPool, "workers can be started");
    // At first, nobody knows yet whether they can.
    if (had_worker_) to_.readiness->SetReady();
    return;
  }
  LogError(Subsystem::kPool, "workers cannot be started, trying on", {{"why", why}});
  to_.readiness->SetNotReady(absl::StrCat("workers cannot be started: ", why));
  to_.description->SetUnavailable(why);
}

void Journal::SessionFailed(CrashEvent event) {
  to_.metrics->WorkerFailed(event.failure.cause());
  LogWarning(Subsystem::kSession, "worker failed",
             {LogField::Session(event.session),
              {"worker", event.worker},
              {"benchmark", event.origin.benchmark->uri()},
              {"failure", event.failure, DescribeForLog(event.failure)}});
  admin::Failure failure;
  *failure.mutable_time() = ToProto(absl::Now());
  failure.set_session(event.session);
  failure.set_benchmark(event.origin.benchmark->uri());
  *failure.mutable_failure() = event.failure;
  failures_.Add(std::move(failure));
  to_.crash_reporter->Report(std::move(event));
}

}  // namespace holdfast
