// What a compiler author implements: one compilation, as a CompilationSession.
//
// The runtime makes one object per session, in a process of its own, and calls it from one thread
// only, one call at a time. A session may crash, hang or eat memory: that costs nobody but itself.
// With --worker_reuse several objects follow one another in a process: each is destroyed before the
// next is made, with an emptied scratch directory, but global state is theirs to share.
//
// After a crash the runtime makes a new object, in a new process, and brings it to the same state:
// Init() with the same benchmark, then every action that had been applied, in order. So a session
// must be a function of its benchmark, its actions and the parameters that say they change its
// state: no clocks, no random devices, no files that change in between. A session that takes
// snapshots may be brought there by Restore() instead, and only the actions after the snapshot.
//
// Errors are absl::Status. They reach the client as they are, but for the index of the action that
// failed, in a step of several, and with two exceptions that the protocol demands: UNAVAILABLE
// becomes INTERNAL (clients would re-send the step), and NOT_FOUND out of Init() becomes
// INVALID_ARGUMENT. An exception that leaves a hook becomes INTERNAL.
#ifndef HOLDFAST_WORKER_COMPILATION_SESSION_H_
#define HOLDFAST_WORKER_COMPILATION_SESSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "proto/compiler_gym_service.pb.h"

namespace holdfast {

// Marks `error` as harmless: the session's state is what it was before the failing call. Without
// the mark the runtime discards the session object after an error and rebuilds it when it is next
// needed, which is always right but costs a replay.
absl::Status CleanError(absl::Status error);
bool IsCleanError(const absl::Status& error);

// What one action did. A step reports the AND of `had_no_effect` over its actions, and the last
// `new_action_space`; it stops after the action that sets `end_of_session`.
struct ActionResult {
  bool end_of_session = false;
  bool had_no_effect = false;
  absl::optional<compiler_gym::ActionSpace> new_action_space;
};

// The answer to a session parameter that the session knows.
struct ParameterResult {
  std::string reply;
  // True puts the parameter into the session's history: it is handled again after a crash. False
  // for what only reads.
  bool changed_state = false;
};

// The state of a session, as bytes that only its type can read.
struct SessionSnapshot {
  // The format of `data`: Restore() refuses what it does not know. A name that other session types
  // do not use, and a number for changes of the format.
  std::string type;
  int64_t version = 0;
  std::string data;
};

// What Restore() answers to a snapshot whose type or version it does not know.
absl::Status UnknownSnapshotError(const SessionSnapshot& snapshot);

// What the runtime tells a session about its surroundings, fixed for the session's life.
struct SessionContext {
  // A private, empty directory on disk (mode 0700), removed with the process.
  std::string scratch_directory;
  // Whether build and run commands of a benchmark may be executed (--allow_benchmark_commands).
  bool allow_benchmark_commands = false;
  // Where files go whose path an observation tells the client: what is here outlives the process,
  // and is removed with the session. Not there at first: made (mode 0700) by who needs it. Names
  // must be new: the files of an earlier session may be there still.
  std::string client_files_directory;
};

class CompilationSession {
 public:
  explicit CompilationSession(SessionContext context) : context_(std::move(context)) {}
  virtual ~CompilationSession() = default;

  CompilationSession(const CompilationSession&) = delete;
  CompilationSession& operator=(const CompilationSession&) = delete;

  // Every session type also has these static functions, which describe it before any session
  // exists. Clients name spaces by their index in these lists, so the order is part of the API.
  //
  //   static std::string CompilerVersion();
  //   static std::vector<compiler_gym::ActionSpace> ActionSpaces();
  //   static std::vector<compiler_gym::ObservationSpace> ObservationSpaces();

  // Hidden by a session type that says false: the same benchmark and actions do not always give it
  // the same state. Snapshots or not, its sessions are never parked, cannot be forked, and are lost
  // with their process.
  static bool IsReplayable() { return true; }

  // Hidden by a session type that brings benchmarks of its own, which clients can start without
  // sending a program. BenchmarkUris() lists them for people: "benchmark://DATASET/NAME", or
  // "generator://DATASET/SEED" for many. All that begins as one of them does, up to the last slash,
  // is asked of MakeBenchmark(), before any session exists, perhaps in another process than the
  // session's: it answers the benchmark with its program inline, always the same for the same URI,
  // and leaves the directory of `context` empty; or INVALID_ARGUMENT, saying what there is.
  static std::vector<std::string> BenchmarkUris() { return {}; }
  static absl::StatusOr<compiler_gym::Benchmark> MakeBenchmark(absl::string_view uri,
                                                               const SessionContext& context);

  // Starts the compilation of `benchmark`, to be driven by actions of the space at `action_space`
  // in ActionSpaces(). Called once, first. The program is always inline:
  // `benchmark.program().contents()`. An error refuses the benchmark; nothing else of the object is
  // called after it.
  virtual absl::Status Init(int action_space, const compiler_gym::Benchmark& benchmark) = 0;

  // Applies one action. Its type and range have been checked against the action space (the last
  // new_action_space, if there was one) where that is discrete, a command line, a scalar range or a
  // string; other kinds are the session's to check, with a CleanError() if it refuses.
  virtual absl::StatusOr<ActionResult> ApplyAction(const compiler_gym::Event& action) = 0;

  // Computes the observation at `observation_space` in ObservationSpaces(). Must not change what a
  // later call returns: observations are not part of the history. An Event with no value says "not
  // available".
  virtual absl::StatusOr<compiler_gym::Event> ComputeObservation(int observation_space) = 0;

  // Runs after the actions of a step, once, before its observations, and only if at least one
  // action was applied (also if a later one failed). `had_no_effect`: of all these actions.
  virtual absl::Status EndOfStep(bool had_no_effect) { return absl::OkStatus(); }

  // Answers a parameter sent by the client. nullopt: the session does not know the key, and the
  // runtime goes on to its own parameters.
  virtual absl::StatusOr<absl::optional<ParameterResult>> HandleParameter(absl::string_view key,
                                                                          absl::string_view value) {
    return absl::optional<ParameterResult>();
  }

  // A digest of the state; empty: none; the first 64 bytes count. Equal states have equal digests,
  // in every process. The runtime uses it to prove that a recovery was exact, and spends about 2 %
  // of the time of steps on it: the dearer it is, the more rarely it is asked for. Must not change
  // the state.
  virtual absl::StatusOr<std::string> Fingerprint() { return std::string(); }

  // All of the state that later calls depend on, parameters included. nullopt: there is no snapshot
  // of this state. Called between two steps. Must not change the state. An error costs only the
  // snapshot. A session type that overrides this is one that takes snapshots.
  virtual absl::StatusOr<absl::optional<SessionSnapshot>> Snapshot() {
    return absl::optional<SessionSnapshot>();
  }

  // Called once, first, instead of Init(), with the arguments of the Init() of the session that
  // took `snapshot`: brings the object to exactly the state of that session. With an error nothing
  // else of the object is called, and the runtime goes on with Init() and a replay on another.
  // Refusing, as for an unknown type or version, is always safe; a state that differs is not.
  virtual absl::Status Restore(int action_space, const compiler_gym::Benchmark& benchmark,
                               const SessionSnapshot& snapshot);

 protected:
  const SessionContext& context() const { return context_; }

 private:
  const SessionContext context_;
};

// A session type, as the runtime sees it. SessionTypeOf<S>() makes one out of a class.
struct SessionType {
  std::string compiler_version;
  std::vector<compiler_gym::ActionSpace> action_spaces;
  std::vector<compiler_gym::ObservationSpace> observation_spaces;
  std::unique_ptr<CompilationSession> (*create)(SessionContext context);
  bool is_replayable = true;
  bool takes_snapshots = false;
  std::vector<std::string> benchmark_uris;
  absl::StatusOr<compiler_gym::Benchmark> (*make_benchmark)(
      absl::string_view uri, const SessionContext& context) = &CompilationSession::MakeBenchmark;
  // Whether steps may come as messages of one long call (--worker_step_lane).
  bool has_step_lane = true;
};

template <typename Session>
SessionType SessionTypeOf() {
  return {Session::CompilerVersion(), Session::ActionSpaces(), Session::ObservationSpaces(),
          [](SessionContext context) -> std::unique_ptr<CompilationSession> {
            return std::make_unique<Session>(std::move(context));
          },
          Session::IsReplayable(),
          // An inherited member function has the type of the base class's.
          !std::is_same_v<decltype(&Session::Snapshot), decltype(&CompilationSession::Snapshot)>,
          Session::BenchmarkUris(), &Session::MakeBenchmark};
}

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_COMPILATION_SESSION_H_
