// What a worker says about its session with each answer, in trailing metadata, or on a step lane in
// front of the reply (step_lane_reply.h): the reply itself is passed on to the client unread.
#ifndef HOLDFAST_COMMON_WORKER_ANSWER_H_
#define HOLDFAST_COMMON_WORKER_ANSWER_H_

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace holdfast {

struct WorkerAnswer {
  // How many actions of the step the session has applied, from the first on.
  int64_t actions_applied = 0;
  // Whether the session's state is exactly what these actions make of it. False after an error that
  // may have left traces: the session must then be built anew.
  bool clean = false;
  // A digest of the state; empty: none was taken. At most kMaxFingerprintBytes.
  std::string fingerprint;
  // Whether the session answers with an error.
  bool is_error = false;
  // How long the actions took, observations not counted. To the microsecond.
  absl::optional<absl::Duration> action_time;
};

inline constexpr size_t kMaxFingerprintBytes = 64;

// The metadata key. Its presence also marks the status as the session's own: a status without it
// was made by gRPC, and the worker is not to be trusted any more.
inline constexpr char kWorkerAnswerKey[] = "holdfast-answer";
// The metadata key of the fingerprint.
inline constexpr char kWorkerFingerprintKey[] = "holdfast-fingerprint-bin";

void AddToTrailers(const WorkerAnswer& answer, grpc::ServerContext* context);

// nullopt: the answer does not come from a session, or its mark is unreadable.
absl::optional<WorkerAnswer> FromTrailers(const grpc::ClientContext& context);

// The same two, for the text of the mark alone: all but the fingerprint.
std::string FormatWorkerAnswer(const WorkerAnswer& answer);
absl::optional<WorkerAnswer> ParseWorkerAnswer(absl::string_view mark);

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_WORKER_ANSWER_H_
