// What a session knows of a failure of its worker, for a crash report.
#ifndef HOLDFAST_FRONTEND_CRASH_REPORTS_CRASH_EVENT_H_
#define HOLDFAST_FRONTEND_CRASH_REPORTS_CRASH_EVENT_H_

#include <google/protobuf/repeated_field.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>

#include "absl/types/optional.h"
#include "frontend/history.h"
#include "frontend/replay.h"
#include "proto/compiler_gym_service.pb.h"
#include "proto/worker_failure.pb.h"

namespace holdfast {

// WorkerFailure::during while `history` was applied again: there is no failing call then.
inline constexpr char kDuringRecovery[] = "recovery";

// Cheap to make under a session's mutex: program, history and request are shared, not copied.
struct CrashEvent {
  int64_t session = 0;
  uint64_t worker = 0;  // The process that failed, see Lease.
  SessionOrigin origin;
  History history;  // What had been applied before the failing call.
  WorkerFailure failure;

  // The failing call: one of these, or none.
  bool is_start = false;
  google::protobuf::RepeatedField<int32_t> start_observations;  // Requested with the start.
  absl::optional<grpc::ByteBuffer> step;                        // The StepRequest as it came.
  absl::optional<compiler_gym::SessionParameter> parameter;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_CRASH_REPORTS_CRASH_EVENT_H_
