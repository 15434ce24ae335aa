// Builds a session on a fresh worker: its benchmark, or a snapshot, then its history.
#ifndef HOLDFAST_FRONTEND_REPLAY_H_
#define HOLDFAST_FRONTEND_REPLAY_H_

#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "frontend/history.h"
#include "frontend/worker_client.h"
#include "proto/compiler_gym_service.pb.h"
#include "proto/worker_control.pb.h"

namespace holdfast {

// What a session is, apart from its history.
struct SessionOrigin {
  std::shared_ptr<const compiler_gym::Benchmark> benchmark;
  int action_space = 0;
};

// What is known of the state that a history leads to: a fingerprint, taken after so many entries.
struct Checkmark {
  int64_t entries = 0;  // 0: none was taken.
  std::string fingerprint;
};

// The StartSession request for a worker: the benchmark goes along, program and all.
grpc::ByteBuffer WorkerStartRequest(
    const SessionOrigin& origin,
    const google::protobuf::RepeatedField<int32_t>& observation_space = {});

// Where a replay begins: at a snapshot, taken after so many entries; or, without one, at Init.
struct ReplayBase {
  std::shared_ptr<const HeldSnapshot> snapshot;
  int64_t entries = 0;
  absl::Duration time_limit = absl::InfiniteDuration();  // Of the restore.
};

struct ReplayResult {
  enum Outcome {
    kRestored,
    kWorkerFailed,  // The link failed or the time ran out; `status` is gRPC's.
    kDiverged,      // The session did not do again what it had done; `status` tells.
    kRefused,       // The worker takes the benchmark no more, or not now; `status` tells.
  };
  Outcome outcome = kRestored;
  grpc::Status status;
  int64_t worker_session_id = 0;
  // The session does not take the snapshot, or has another fingerprint then: all was replayed.
  bool is_snapshot_refused = false;
  absl::Duration restore_time;  // Zero: nothing was restored.
};

// At the checkmark the fingerprint must be the same. One call at a time on `client`; `done` runs
// once, on a thread of the client's, after the last.
void Replay(const SessionOrigin& origin, ReplayBase base, History history, Checkmark checkmark,
            std::shared_ptr<WorkerClient> client, absl::Time deadline,
            absl::AnyInvocable<void(const ReplayResult&)> done);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_REPLAY_H_
