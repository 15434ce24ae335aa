#include "frontend/fake_process_spawner.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace holdfast {
namespace {

// Above PID_MAX_LIMIT (2^22): whoever sends it a signal hits nobody.
constexpr pid_t kFirstFakePid = 1'000'000'000;

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "FakeProcessSpawner: %s\n", what);
  std::abort();
}

}  // namespace

ProcessId FakeProcessSpawner::Spawn(ProcessRequest request, Events events) {
  ProcessId id = processes_.size() + 1;
  Process& process = processes_[id];
  process.request = std::move(request);
  process.events = std::move(events);
  process.pid = kFirstFakePid + static_cast<pid_t>(id);
  return id;
}

void FakeProcessSpawner::Kill(ProcessId id) {
  auto found = processes_.find(id);
  if (found != processes_.end() && !found->second.exited) ++found->second.kills;
}

std::vector<absl::optional<ProcessUsage>> FakeProcessSpawner::Measure(
    absl::Span<const ProcessId> processes, bool /*whole_groups*/) {
  std::vector<absl::optional<ProcessUsage>> usages;
  for (const ProcessId id : processes) {
    const Process& process = processes_.at(id);
    usages.emplace_back();
    if (process.started && !process.exited) usages.back() = process.usage;
  }
  return usages;
}

void FakeProcessSpawner::Started(ProcessId id) {
  Process& process = Alive(id);
  Require(!process.started, "started twice");
  process.started = true;
  if (process.events.on_started) process.events.on_started(process.pid);
}

void FakeProcessSpawner::Output(ProcessId id, bool is_stderr, absl::string_view bytes) {
  Process& process = Alive(id);
  if (process.events.on_output) process.events.on_output(is_stderr, bytes);
}

void FakeProcessSpawner::Exit(ProcessId id, const ProcessExit& exit) {
  Process& process = Alive(id);
  process.exited = true;
  // As the real one: what the callbacks hold is released when the last has returned.
  Events events = std::move(process.events);
  if (events.on_exit) events.on_exit(exit);
}

void FakeProcessSpawner::ExitWithCode(ProcessId id, int code) {
  ProcessExit exit;
  exit.known = true;
  exit.exit_code = code;
  Exit(id, exit);
}

void FakeProcessSpawner::ExitBySignal(ProcessId id, int signal) {
  ProcessExit exit;
  exit.known = true;
  exit.signal = signal;
  Exit(id, exit);
}

void FakeProcessSpawner::FailToStart(ProcessId id, std::string error) {
  ProcessExit exit;
  exit.error = std::move(error);
  Exit(id, exit);
}

void FakeProcessSpawner::LoseSpawner(ProcessId id) {
  ProcessExit exit;
  exit.spawner_lost = true;
  exit.error = "the spawner process ended";
  Exit(id, exit);
}

FakeProcessSpawner::Process& FakeProcessSpawner::process(ProcessId id) {
  auto found = processes_.find(id);
  Require(found != processes_.end(), "no such process");
  return found->second;
}

std::vector<ProcessId> FakeProcessSpawner::alive() const {
  std::vector<ProcessId> ids;
  for (const auto& [id, process] : processes_) {
    if (!process.exited) ids.push_back(id);
  }
  return ids;
}

FakeProcessSpawner::Process& FakeProcessSpawner::Alive(ProcessId id) {
  Process& found = process(id);
  Require(!found.exited, "the process has exited");
  return found;
}

}  // namespace holdfast
