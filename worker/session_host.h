// Holds the one session of a worker and carries out the protocol on it: validation, the order of a
// step, exceptions. Knows nothing of gRPC.
#ifndef HOLDFAST_WORKER_SESSION_HOST_H_
#define HOLDFAST_WORKER_SESSION_HOST_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/worker_answer.h"
#include "common/worker_progress.h"
#include "proto/compiler_gym_service.pb.h"
#include "proto/worker_control.pb.h"
#include "worker/compilation_session.h"
#include "worker/fingerprint_budget.h"

namespace holdfast {

// The id of a worker's only session.
inline constexpr int64_t kOnlySessionId = 1;

// Single-threaded: the session is made, called and destroyed on the caller's thread.
class SessionHost {
 public:
  // What the session is doing is told to `progress`.
  SessionHost(SessionType type, SessionContext context, ProgressWriter progress = ProgressWriter());

  void Describe(DescribeReply* reply) const;

  // Benchmarks by URI, for StartSession requests without a program, as in the public protocol. The
  // front sends the program along instead.
  void AddBenchmarks(const compiler_gym::AddBenchmarkRequest& request);

  // The calls of the public protocol. `answer` is set also with an error. NotFound ("Session not
  // found") unless `session_id` is that of the running session.
  absl::Status StartSession(const compiler_gym::StartSessionRequest& request,
                            compiler_gym::StartSessionReply* reply, WorkerAnswer* answer);
  absl::Status Step(const compiler_gym::StepRequest& request, compiler_gym::StepReply* reply,
                    WorkerAnswer* answer);
  absl::Status HandleParameter(const compiler_gym::SessionParameter& parameter,
                               HandleParameterReply* reply, WorkerAnswer* answer);
  absl::Status Fingerprint(FingerprintReply* reply, WorkerAnswer* answer);
  absl::Status Snapshot(SnapshotReply* reply, WorkerAnswer* answer);
  // As StartSession(), with the session in the state of the snapshot, whose bytes are moved out of
  // `request`.
  absl::Status Restore(const RestoreRequest& request, RestoreReply* reply, WorkerAnswer* answer);
  absl::Status MakeBenchmark(const MakeBenchmarkRequest& request, MakeBenchmarkReply* reply,
                             WorkerAnswer* answer);
  // Destroys the session. Ignored if there is none with that id.
  void EndSession(int64_t session_id);
  absl::Status CheckSession(int64_t session_id) const;
  int session_count() const { return session_ == nullptr ? 0 : 1; }

 private:
  // The benchmark with its program. An error: no session can be made with these.
  absl::StatusOr<const compiler_gym::Benchmark*> CheckStart(
      const compiler_gym::Benchmark& benchmark, int action_space);
  // Makes the session by `hook`, Init() or Restore(). There is none after an error.
  template <typename Hook>
  absl::Status MakeSession(absl::string_view name, int action_space, const Hook& hook);
  absl::Status ApplyActions(const compiler_gym::StepRequest& request,
                            compiler_gym::StepReply* reply, WorkerAnswer* answer);
  template <typename Indices, typename Reply>
  absl::Status Observe(const Indices& observation_space, Reply* reply, WorkerAnswer* answer);
  // Takes a fingerprint with a step of that duration, if the budget allows.
  void MaybeFingerprint(absl::Duration step_time, WorkerAnswer* answer);
  absl::Status CheckObservationSpaces(
      const google::protobuf::RepeatedField<int32_t>& observation_space) const;

  const SessionType type_;
  const SessionContext context_;
  absl::flat_hash_map<std::string, compiler_gym::Benchmark> benchmarks_;
  std::unique_ptr<CompilationSession> session_;
  compiler_gym::Space action_space_;   // The one that holds now.
  bool has_new_action_space_ = false;  // An action has changed it.
  FingerprintBudget fingerprint_budget_;
  ProgressWriter progress_;
};

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_SESSION_HOST_H_
