// A worker that misbehaves in every way that the runtime promises to survive.
//
// Its state is a counter and the list of the actions applied, so a test can tell exactly which
// actions took effect, in which order and how often. Everything else is one row in a table below:
// kActions, kObservations, kParameters, kPrograms (for Init) and kStartModes (before the server).
//
// "Once" is counted outside the process, in a marker file: what misbehaves once creates the file.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/roles.h"
#include "tests/testcases/benchmark_modes.h"
#include "tests/testcases/misbehaviour.h"
#include "tests/testcases/snapshot_modes.h"
#include "tests/testcases/start_modes.h"
#include "worker/compilation_session.h"
#include "worker/service/create_and_run_service.h"

namespace holdfast {
namespace {

using compiler_gym::Event;

struct State {
  int64_t counter = 0;
  std::string actions;  // The name of each applied action, comma-separated.
  std::string marker_file;
  int64_t huge_mib = 8;
  pid_t grandchild = 0;
  bool fail_at_end_of_step = false;
  bool is_armed = false;
  std::vector<std::string> eaten;
  std::string scratch_directory;
  std::string client_files_directory;
};

using Outcome = absl::StatusOr<ActionResult>;

Event IntEvent(int64_t value) {
  Event event;
  event.set_int64_value(value);
  return event;
}

Event StringEvent(std::string value) {
  Event event;
  event.set_string_value(std::move(value));
  return event;
}

compiler_gym::ActionSpace ActionsByName(const char* space_name, bool all);

// ---- Actions ----

struct Action {
  const char* name;
  Outcome (*apply)(State& state);
};

Outcome Nothing() { return ActionResult(); }

template <int64_t kAmount>
Outcome Add(State& state) {
  state.counter += kAmount;
  return Nothing();
}

template <bool State::*kFlag>
Outcome Set(State& state) {
  state.*kFlag = true;
  return Nothing();
}

const Action kActions[] = {
    // Normal life.
    {"noop",
     [](State&) -> Outcome {
       ActionResult result;
       result.had_no_effect = true;
       return result;
     }},
    {"add_one", Add<1>},
    {"slow_100ms",
     [](State&) {
       absl::SleepFor(absl::Milliseconds(100));
       return Nothing();
     }},
    {"end_session",
     [](State&) -> Outcome {
       ActionResult result;
       result.end_of_session = true;
       return result;
     }},
    {"change_space",
     [](State&) -> Outcome {
       ActionResult result;
       result.new_action_space = ActionsByName("changed", /*all=*/true);
       return result;
     }},

    // Sudden ends.
    {"crash", [](State&) -> Outcome { Die(SIGSEGV); }},
    {"abort", [](State&) -> Outcome { Die(SIGABRT); }},
    {"raise_sigkill", [](State&) -> Outcome { Die(SIGKILL); }},
    {"exit_0", [](State&) -> Outcome { exit(0); }},
    {"exit_1", [](State&) -> Outcome { exit(1); }},
    {"crash_once",
     [](State& state) {
       if (IsFirst(state.marker_file)) Die(SIGSEGV);
       ++state.counter;
       return Nothing();
     }},
    {"stderr_flood",
     [](State&) -> Outcome {
       WriteToStderr(std::string(100'000, '\n'));
       Die(SIGABRT);
     }},

    // No ends.
    {"hang", [](State&) -> Outcome { Hang(); }},
    {"hang_ignoring_sigterm",
     [](State&) -> Outcome {
       signal(SIGTERM, SIG_IGN);
       Hang();
     }},

    // Errors. fail_dirty is the only one that has changed the state by then.
    {"fail_clean",
     [](State&) -> Outcome {
       return CleanError(absl::FailedPreconditionError("failed, nothing changed"));
     }},
    {"fail_dirty",
     [](State& state) -> Outcome {
       state.counter += 1000;
       return absl::InternalError("failed half-way");
     }},
    {"unavailable", [](State&) -> Outcome { return absl::UnavailableError("not available"); }},
    {"not_found", [](State&) -> Outcome { return absl::NotFoundError("found nothing"); }},
    {"session_not_found_text",
     [](State&) -> Outcome { return absl::NotFoundError("Session not found: 1"); }},
    {"throw", [](State&) -> Outcome { throw std::runtime_error("thrown on purpose"); }},
    {"throw_int", [](State&) -> Outcome { throw 42; }},
    {"fail_at_end_of_step", Set<&State::fail_at_end_of_step>},

    // Replays that cannot be exact: the second process fares otherwise than the first.
    {"crash_on_replay",
     [](State& state) {
       if (!IsFirst(state.marker_file)) Die(SIGSEGV);
       return Nothing();
     }},
    {"eat_memory_on_replay",
     [](State& state) {
       if (!IsFirst(state.marker_file)) state.eaten.emplace_back(size_t{512} << 20, 'x');
       return Nothing();
     }},
    {"add_pid",
     [](State& state) {
       state.counter += getpid();
       return Nothing();
     }},

    // Greed, and what is left behind.
    {"eat_memory",
     [](State& state) {
       state.eaten.emplace_back(size_t{512} << 20, 'x');
       return Nothing();
     }},
    {"burn_cpu", [](State&) -> Outcome { BurnCpu(); }},
    {"write_for_ever", [](State& state) -> Outcome { WriteForEver(state.scratch_directory); }},
    {"fork_bomb", [](State&) -> Outcome { ForkBomb(/*leave_group=*/false); }},
    {"fork_bomb_of_daemons", [](State&) -> Outcome { ForkBomb(/*leave_group=*/true); }},
    {"fork_daemon",
     [](State& state) {
       state.grandchild = ForkDaemon();
       return Nothing();
     }},
    {"fork_grandchild",
     [](State& state) {
       state.grandchild = ForkSleeper(/*leave_group=*/true, /*hold_pipes=*/false);
       return Nothing();
     }},
    {"fork_holding_pipes",
     [](State& state) {
       state.grandchild = ForkSleeper(/*leave_group=*/false, /*hold_pipes=*/true);
       return Nothing();
     }},

    {"fail_on_replay",
     [](State& state) -> Outcome {
       if (!IsFirst(state.marker_file)) return absl::InternalError("failed on replay");
       return Nothing();
     }},

    // Tell and wait: see WaitForGo().
    {"wait",
     [](State& state) {
       WaitForGo(state.marker_file);
       ++state.counter;
       return Nothing();
     }},

    // Much, and unreadable.
    {"stderr_garbage",
     [](State&) -> Outcome {
       std::string garbage;
       for (int i = 0; i < 4096; ++i) garbage.push_back(static_cast<char>(i * 7));
       WriteToStderr(garbage);
       Die(SIGABRT);
     }},
    {"fail_with_huge_message",
     [](State&) -> Outcome { return absl::InternalError(std::string(100'000, '\n')); }},
    {"throw_huge_message",
     [](State&) -> Outcome { throw std::runtime_error(std::string(100'000, '\xff')); }},

    // Only an arm before fire_if_armed is fatal.
    {"arm", Set<&State::is_armed>},
    {"fire_if_armed",
     [](State& state) {
       if (state.is_armed) Die(SIGSEGV);
       return Nothing();
     }},

    // Exists only after change_space.
    {"add_ten", Add<10>},
};

// The table above; the last row only if `all`.
compiler_gym::ActionSpace ActionsByName(const char* space_name, bool all) {
  compiler_gym::ActionSpace space;
  space.set_name(space_name);
  const size_t size = std::size(kActions) - (all ? 0 : 1);
  for (size_t i = 0; i < size; ++i) {
    space.mutable_space()->mutable_named_discrete()->add_name(kActions[i].name);
  }
  return space;
}

compiler_gym::ActionSpace NumbersToAdd() {
  compiler_gym::ActionSpace space;
  space.set_name("add");
  space.mutable_space()->mutable_int64_value()->set_min(-100);
  space.mutable_space()->mutable_int64_value()->set_max(100);
  return space;
}

// ---- Observations ----

struct Observation {
  const char* name;
  // An example of its value, which decides the type of its space and is the default.
  Event example;
  absl::StatusOr<Event> (*compute)(const State& state);
};

const std::vector<Observation>& Observations() {
  using Result = absl::StatusOr<Event>;
  static const auto* const kObservations = new std::vector<Observation>{
      {"counter", IntEvent(0), [](const State& s) -> Result { return IntEvent(s.counter); }},
      {"actions", StringEvent(""), [](const State& s) -> Result { return StringEvent(s.actions); }},
      {"crash_in_observation", IntEvent(0), [](const State&) -> Result { Die(SIGSEGV); }},
      {"fail_in_observation", IntEvent(0),
       [](const State&) -> Result { return absl::InternalError("cannot observe"); }},
      {"slow_observation", IntEvent(0),
       [](const State& s) -> Result {
         absl::SleepFor(absl::Milliseconds(100));
         return IntEvent(s.counter);
       }},
      // 8 MiB, or what the parameter set_huge_mib says.
      {"huge_bytes", StringEvent(""),
       [](const State& s) -> Result {
         return StringEvent(std::string(static_cast<size_t>(s.huge_mib) << 20, 'x'));
       }},
      {"not_available", IntEvent(0), [](const State&) -> Result { return Event(); }},
      {"client_file", StringEvent(""),
       [](const State& s) -> Result {
         return StringEvent(MakeFile(s.client_files_directory, absl::StrCat(s.counter)));
       }},
  };
  return *kObservations;
}

// ---- Parameters ----

struct Parameter {
  const char* key;
  absl::StatusOr<ParameterResult> (*handle)(State& state, absl::string_view value);
};

absl::StatusOr<ParameterResult> SetNumber(absl::string_view value, int64_t& number) {
  int64_t parsed = 0;  // What is no number must not change the state.
  if (!absl::SimpleAtoi(value, &parsed)) {
    return CleanError(absl::InvalidArgumentError(absl::StrCat("not a number: ", value)));
  }
  number = parsed;
  return ParameterResult{std::string(value), /*changed_state=*/true};
}

absl::StatusOr<ParameterResult> Reply(std::string reply) {
  return ParameterResult{std::move(reply), /*changed_state=*/false};
}

using Value = absl::string_view;
using Replied = absl::StatusOr<ParameterResult>;

const Parameter kParameters[] = {
    {"set_counter", [](State& s, Value value) { return SetNumber(value, s.counter); }},
    {"set_huge_mib", [](State& s, Value value) { return SetNumber(value, s.huge_mib); }},
    {"set_marker_file",
     [](State& s, Value value) -> Replied {
       s.marker_file = std::string(value);
       return ParameterResult{s.marker_file, /*changed_state=*/true};
     }},
    {"leak", [](State&, Value) { return LeakMemory(400 << 20), Reply("leaked"); }},
    {"get_counter", [](State& s, Value) { return Reply(absl::StrCat(s.counter)); }},
    {"get_pid", [](State&, Value) { return Reply(absl::StrCat(getpid())); }},
    {"get_grandchild", [](State& s, Value) { return Reply(absl::StrCat(s.grandchild)); }},
    {"get_scratch_directory", [](State& s, Value) { return Reply(s.scratch_directory); }},
    {"crash", [](State&, Value) -> Replied { Die(SIGSEGV); }},
    {"crash_once",
     [](State& s, Value) -> Replied {
       if (IsFirst(s.marker_file)) Die(SIGSEGV);
       return ParameterResult{absl::StrCat(++s.counter), /*changed_state=*/true};
     }},
    {"hang", [](State&, Value) -> Replied { Hang(); }},
    {"fail", [](State&, Value) -> Replied { return absl::InternalError("parameter failed"); }},
};

// ---- Programs: the benchmark's text, "NAME" or "NAME:MARKERFILE" ----

struct Program {
  const char* name;
  absl::Status (*init)(const State& state);
};

const Program kPrograms[] = {
    {"ok", [](const State&) { return absl::OkStatus(); }},
    {"crash-in-init", [](const State&) -> absl::Status { Die(SIGSEGV); }},
    {"crash-in-init-once",
     [](const State& state) {
       if (IsFirst(state.marker_file)) Die(SIGSEGV);
       return absl::OkStatus();
     }},
    {"hang-in-init", [](const State&) -> absl::Status { Hang(); }},
    {"fail-in-init", [](const State&) { return absl::FailedPreconditionError("bad program"); }},
    {"not-found-in-init", [](const State&) { return absl::NotFoundError("no such function"); }},
    {"refuse-while-marked",
     [](const State& state) {
       return IsMarked(state.marker_file) ? absl::ResourceExhaustedError("no space is left")
                                          : absl::OkStatus();
     }},
    {"wait-in-init",
     [](const State& state) {
       WaitForGo(state.marker_file);
       return absl::OkStatus();
     }},
    {"throw-in-init", [](const State&) -> absl::Status { throw std::runtime_error("init threw"); }},
    {"slow-init", [](const State&) { return absl::SleepFor(absl::Seconds(1)), absl::OkStatus(); }},
};

// ---- The session: looks up the tables ----

template <typename Row, size_t kSize>
const Row* Find(const Row (&rows)[kSize], const char* Row::*name, absl::string_view wanted) {
  const auto* row = std::find_if(std::begin(rows), std::end(rows),
                                 [&](const Row& candidate) { return candidate.*name == wanted; });
  return row == std::end(rows) ? nullptr : row;
}

class MisbehavingSession final : public CompilationSession {
 public:
  explicit MisbehavingSession(SessionContext context) : CompilationSession(std::move(context)) {
    state_.scratch_directory = this->context().scratch_directory;
    state_.client_files_directory = this->context().client_files_directory;
  }

  static std::string CompilerVersion() { return "misbehaving 1.0"; }
  static std::vector<compiler_gym::ActionSpace> ActionSpaces() {
    return {ActionsByName("misbehaviour", /*all=*/false), NumbersToAdd()};
  }

  static std::vector<compiler_gym::ObservationSpace> ObservationSpaces() {
    std::vector<compiler_gym::ObservationSpace> spaces;
    for (const Observation& observation : Observations()) {
      compiler_gym::ObservationSpace& space = spaces.emplace_back();
      space.set_name(observation.name);
      space.set_deterministic(true);
      *space.mutable_default_observation() = observation.example;
      if (observation.example.value_case() == Event::kInt64Value) {
        space.mutable_space()->mutable_int64_value();
      } else {
        space.mutable_space()->mutable_string_value();
      }
    }
    return spaces;
  }

  absl::Status Init(int action_space, const compiler_gym::Benchmark& benchmark) override {
    by_name_ = action_space == 0;
    absl::string_view name = benchmark.program().contents();
    const size_t colon = name.find(':');
    if (colon != absl::string_view::npos) {
      state_.marker_file = std::string(name.substr(colon + 1));
      name = name.substr(0, colon);
    }
    const Program* program = Find(kPrograms, &Program::name, absl::StripAsciiWhitespace(name));
    if (program == nullptr) return absl::InvalidArgumentError("unknown program");
    return program->init(state_);
  }

  Outcome ApplyAction(const Event& action) override {
    if (!by_name_) {
      state_.counter += action.int64_value();
      absl::StrAppend(&state_.actions, state_.actions.empty() ? "" : ",", action.int64_value());
      return Nothing();
    }
    const Action& row = kActions[action.int64_value()];
    Outcome outcome = row.apply(state_);
    if (outcome.ok()) {
      absl::StrAppend(&state_.actions, state_.actions.empty() ? "" : ",", row.name);
    }
    return outcome;
  }

  absl::StatusOr<Event> ComputeObservation(int observation_space) override {
    return Observations()[static_cast<size_t>(observation_space)].compute(state_);
  }

  absl::Status EndOfStep(bool had_no_effect) override {
    return std::exchange(state_.fail_at_end_of_step, false)
               ? absl::InternalError("failed at the end of the step")
               : absl::OkStatus();
  }

  absl::StatusOr<absl::optional<ParameterResult>> HandleParameter(
      absl::string_view key, absl::string_view value) override {
    const Parameter* parameter = Find(kParameters, &Parameter::key, key);
    if (parameter == nullptr) return absl::optional<ParameterResult>();
    absl::StatusOr<ParameterResult> result = parameter->handle(state_, value);
    if (!result.ok()) return result.status();
    return absl::optional<ParameterResult>(*std::move(result));
  }

  absl::StatusOr<std::string> Fingerprint() override {
    return absl::StrCat(state_.counter, ":", state_.actions.size());
  }

  absl::StatusOr<absl::optional<SessionSnapshot>> Snapshot() override {
    return SnapshotAsTold(
        absl::StrCat(state_.counter, " ", state_.actions, " ", state_.marker_file, " "),
        state_.marker_file);
  }

  absl::Status Restore(int action_space, const compiler_gym::Benchmark& /*benchmark*/,
                       const SessionSnapshot& snapshot) override {
    const absl::StatusOr<std::string> state = RestoreAsTold(snapshot);
    if (!state.ok()) return state.status();
    by_name_ = action_space == 0;
    const std::vector<std::string> parts = absl::StrSplit(*state, ' ');
    if (parts.size() < 3 || !absl::SimpleAtoi(parts[0], &state_.counter)) {
      return absl::InvalidArgumentError("no snapshot of this type");
    }
    state_.actions = parts[1];
    state_.marker_file = parts[2];
    return absl::OkStatus();
  }

 private:
  bool by_name_ = true;
  State state_;
};

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  // Before the runtime sees the arguments: what goes wrong here goes wrong before the server runs.
  if (argc > 1 && absl::string_view(argv[1]) == holdfast::kWorkerRoleArgument) {
    holdfast::StartAsTold(argc, argv);
  }
  static holdfast::SessionType type = holdfast::WithBenchmarks(holdfast::WithSnapshotsAsTold(
      argc, argv, holdfast::SessionTypeOf<holdfast::MisbehavingSession>()));
  return holdfast::RunService(argc, argv, "A worker that misbehaves on demand, for tests.",
                              [] { return type; });
}
