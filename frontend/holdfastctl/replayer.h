// Replays the calls of a crash report, each time in a new session, and so in a fresh worker.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_REPLAYER_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_REPLAYER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "frontend/holdfastctl/crash_script.h"
#include "proto/compiler_gym_service.grpc.pb.h"

namespace holdfast {

// What a service tells of a worker that failed in a call; nullopt: nothing did.
absl::optional<WorkerFailure> FailureOf(const grpc::Status& status);

// How a replay went.
struct ReplayOutcome {
  // Set: a worker failed, in call `failed_call`; -1: in the start of the session.
  absl::optional<WorkerFailure> failure;
  int failed_call = -1;
  FailureIdentity identity;
  // The session refused a call; the replay ended there. Empty: it did not.
  std::string refusal;
};

class Replayer {
 public:
  // `stub` outlives this. `call_timeout`: longer than what the service allows a call.
  Replayer(compiler_gym::CompilerGymService::Stub* stub, absl::Duration call_timeout)
      : stub_(stub), call_timeout_(call_timeout) {}

  // Brings the program to the service, and finds the report's action space among the service's.
  // InvalidArgument: it does not fit the report. Must have succeeded before anything else.
  absl::Status Load(const CrashReport& report);

  const compiler_gym::GetVersionReply& version() const { return version_; }
  const compiler_gym::GetSpacesReply& spaces() const { return spaces_; }
  int action_space() const { return action_space_; }

  // An error is the tool's or the service's, not the session's.
  absl::StatusOr<ReplayOutcome> Run(const std::vector<Call>& calls);

  // In a new session on the program, before any action. The session's error if it refuses.
  absl::StatusOr<std::string> AskParameter(const std::string& key, const std::string& value);
  absl::StatusOr<compiler_gym::Event> Observe(int observation_space);

 private:
  class Session;

  compiler_gym::CompilerGymService::Stub* const stub_;
  const absl::Duration call_timeout_;
  compiler_gym::GetVersionReply version_;
  compiler_gym::GetSpacesReply spaces_;
  std::string uri_;
  google::protobuf::RepeatedField<int32_t> start_observations_;  // If it is the start that fails.
  int action_space_ = 0;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_REPLAYER_H_
