#include "frontend/worker_watchdog.h"

#include <utility>

#include "frontend/worker_growth.h"

namespace holdfast {

WorkerWatchdog::WorkerWatchdog(const WorkerLimits& limits, Clock* clock, ProcessSpawner* spawner)
    : limits_(limits), clock_(clock), spawner_(spawner) {}

WorkerWatchdog::~WorkerWatchdog() { clock_->Cancel(timer_); }

void WorkerWatchdog::Watch(uint64_t worker, ProcessId process,
                           std::shared_ptr<const WorkerClient> client, Events events) {
  Watched& watched = watched_[worker];
  watched.process = process;
  watched.first_call = client->call_counter().Get();
  watched.client = std::move(client);
  watched.events = std::move(events);
  if (timer_ == 0) timer_ = clock_->RunAfter(kPeriod, [this] { Tick(); });
}

void WorkerWatchdog::Unwatch(uint64_t worker) { watched_.erase(worker); }

void WorkerWatchdog::Tick() {
  timer_ = 0;
  if (watched_.empty()) return;
  timer_ = clock_->RunAfter(kPeriod, [this] { Tick(); });
  ++ticks_;
  const bool all = ticks_ % kIdleTicks == 0;
  const bool whole_groups = ticks_ % kGroupTicks == 0;
  std::vector<uint64_t> workers;
  for (auto& [worker, watched] : watched_) {
    const uint64_t call = watched.client->call_counter().Get();
    watched.is_in_call = CallCounter::IsUnderWay(call) && call == watched.call;
    if (call != watched.call) watched.cpu_before = -1;
    watched.call = call;
    if (all || watched.is_in_call) workers.push_back(worker);
  }
  if (whole_groups || limits_.is_memory_watched) Look(workers, whole_groups);
}

void WorkerWatchdog::Look(const std::vector<uint64_t>& workers, bool whole_groups) {
  if (workers.empty()) return;
  std::vector<ProcessId> processes;
  processes.reserve(workers.size());
  for (const uint64_t worker : workers) processes.push_back(watched_.at(worker).process);
  const auto usages = spawner_->Measure(processes, whole_groups);
  for (size_t i = 0; i < workers.size(); ++i) {
    const auto found = watched_.find(workers[i]);
    if (found == watched_.end() || !usages[i].has_value()) continue;
    Watched& watched = found->second;
    // A process alone has used less than its group: only like is compared with like.
    const bool counts_cpu = whole_groups && watched.is_in_call;
    if (counts_cpu && watched.cpu_before < 0) watched.cpu_before = usages[i]->cpu_seconds;
    const double cpu_before = counts_cpu ? watched.cpu_before : usages[i]->cpu_seconds;
    const absl::optional<WorkerFailure> excess = FindExcess(limits_, *usages[i], cpu_before);
    if (excess.has_value()) {
      auto on_excess = std::move(watched.events.on_excess);
      watched_.erase(found);
      on_excess(*excess);
    } else if (whole_groups && HasGrownNow(*usages[i], &watched) && watched.events.on_grown) {
      watched.events.on_grown();
    }
  }
}

bool WorkerWatchdog::HasGrownNow(const ProcessUsage& usage, Watched* watched) {
  if (CallCounter::IsUnderWay(watched->call) || watched->call == watched->first_call) return false;
  if (watched->first_bytes == 0) watched->first_bytes = usage.memory_bytes;
  return HasGrown(watched->first_bytes, usage.memory_bytes);
}

}  // namespace holdfast
