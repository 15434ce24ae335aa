// A process spawner without processes: a test says what becomes of each.
#ifndef HOLDFAST_FRONTEND_FAKE_PROCESS_SPAWNER_H_
#define HOLDFAST_FRONTEND_FAKE_PROCESS_SPAWNER_H_

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "frontend/process_spawner.h"

namespace holdfast {

// One thread: the test's. Callbacks run inside Started(), Output() and Exit(), which the test
// calls; a step that a real process could not take (output after its exit) aborts.
class FakeProcessSpawner : public ProcessSpawner {
 public:
  struct Process {
    ProcessRequest request;  // As asked for; a test may take the link.
    Events events;
    pid_t pid = 0;
    int kills = 0;  // Calls of Kill() while it lived.
    bool started = false;
    bool exited = false;
    // Set by a test: what Look() and Measure() tell.
    ProcessCondition condition = ProcessCondition::kRuns;
    ProcessUsage usage;
  };

  ProcessId Spawn(ProcessRequest request, Events events) override;
  void Kill(ProcessId id) override;
  ProcessCondition Look(ProcessId id) override { return Alive(id).condition; }
  std::vector<absl::optional<ProcessUsage>> Measure(absl::Span<const ProcessId> processes,
                                                    bool whole_groups) override;

  void Started(ProcessId id);
  void Output(ProcessId id, bool is_stderr, absl::string_view bytes);
  void Exit(ProcessId id, const ProcessExit& exit);

  // Shorthands for Exit().
  void ExitWithCode(ProcessId id, int code);
  void ExitBySignal(ProcessId id, int signal);
  void FailToStart(ProcessId id, std::string error);
  void LoseSpawner(ProcessId id);  // Before or after it has started.

  // Every process that was ever asked for; ids count up from 1.
  size_t spawned() const { return processes_.size(); }
  ProcessId last() const { return processes_.size(); }
  Process& process(ProcessId id);
  std::vector<ProcessId> alive() const;  // Asked for, and not exited.

 private:
  Process& Alive(ProcessId id);

  std::map<ProcessId, Process> processes_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_FAKE_PROCESS_SPAWNER_H_
