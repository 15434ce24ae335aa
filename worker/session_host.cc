#include "worker/session_host.h"

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/benchmark_uri.h"
#include "common/status.h"
#include "common/version.h"
#include "worker/validation.h"

namespace holdfast {
namespace {

using compiler_gym::Benchmark;
using compiler_gym::StepReply;
using compiler_gym::StepRequest;

// What the session does is over, whichever way the call returns.
class IdleOnReturn {
 public:
  explicit IdleOnReturn(ProgressWriter* progress) : progress_(progress) {}
  ~IdleOnReturn() { progress_->Set(WorkerFailure::NONE); }
  IdleOnReturn(const IdleOnReturn&) = delete;
  IdleOnReturn& operator=(const IdleOnReturn&) = delete;

 private:
  ProgressWriter* const progress_;
};

// Calls a hook of the session: an exception that leaves it becomes an error status.
template <typename Hook>
auto Guarded(absl::string_view name, const Hook& hook) -> decltype(hook()) {
  try {
    return hook();
  } catch (const std::exception& exception) {
    return absl::InternalError(absl::StrCat(name, " threw: ", exception.what()));
  } catch (...) {
    return absl::InternalError(absl::StrCat(name, " threw an exception of an unknown type"));
  }
}

}  // namespace

SessionHost::SessionHost(SessionType type, SessionContext context, ProgressWriter progress)
    : type_(std::move(type)), context_(std::move(context)), progress_(std::move(progress)) {}

void SessionHost::Describe(DescribeReply* reply) const {
  reply->mutable_version()->set_service_version(kVersion);
  reply->mutable_version()->set_compiler_version(type_.compiler_version);
  for (const auto& space : type_.action_spaces) {
    *reply->mutable_spaces()->add_action_space_list() = space;
  }
  for (const auto& space : type_.observation_spaces) {
    *reply->mutable_spaces()->add_observation_space_list() = space;
  }
  reply->set_not_replayable(!type_.is_replayable);
  reply->set_takes_snapshots(type_.takes_snapshots);
  reply->set_has_step_lane(type_.has_step_lane);
  reply->mutable_benchmark_uri()->Add(type_.benchmark_uris.begin(), type_.benchmark_uris.end());
}

void SessionHost::AddBenchmarks(const compiler_gym::AddBenchmarkRequest& request) {
  for (const auto& benchmark : request.benchmark()) benchmarks_[benchmark.uri()] = benchmark;
}

absl::Status SessionHost::CheckSession(int64_t session_id) const {
  if (session_ != nullptr && session_id == kOnlySessionId) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("Session not found: ", session_id));
}

absl::Status SessionHost::CheckObservationSpaces(
    const google::protobuf::RepeatedField<int32_t>& observation_space) const {
  for (const int index : observation_space) {
    absl::Status status = CheckIndex("observation_space", index, type_.observation_spaces.size());
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<const Benchmark*> SessionHost::CheckStart(const Benchmark& benchmark,
                                                         int action_space) {
  if (session_ != nullptr) {
    return absl::FailedPreconditionError("this worker holds a session already");
  }
  absl::Status status = CheckIndex("action_space", action_space, type_.action_spaces.size());
  if (!status.ok()) return status;
  if (benchmark.has_program()) return &benchmark;
  const auto found = benchmarks_.find(benchmark.uri());
  if (found != benchmarks_.end()) return &found->second;
  if (IsBenchmarkOf(type_.benchmark_uris, benchmark.uri())) {
    absl::StatusOr<Benchmark> made =
        Guarded("MakeBenchmark", [&] { return type_.make_benchmark(benchmark.uri(), context_); });
    if (!made.ok()) return made.status();
    return &(benchmarks_[benchmark.uri()] = *std::move(made));
  }
  return absl::NotFoundError(absl::StrCat("Benchmark not found: ", benchmark.uri()));
}

template <typename Hook>
absl::Status SessionHost::MakeSession(absl::string_view name, int action_space, const Hook& hook) {
  action_space_ = type_.action_spaces[action_space].space();
  has_new_action_space_ = false;
  fingerprint_budget_ = FingerprintBudget();
  absl::Status status = Guarded(name, [&]() -> absl::Status {
    session_ = type_.create(context_);
    return hook(session_.get());
  });
  if (!status.ok()) session_.reset();
  return status;
}

absl::Status SessionHost::StartSession(const compiler_gym::StartSessionRequest& request,
                                       compiler_gym::StartSessionReply* reply,
                                       WorkerAnswer* answer) {
  answer->clean = true;
  absl::Status status = CheckObservationSpaces(request.observation_space());
  if (!status.ok()) return status;
  const absl::StatusOr<const Benchmark*> benchmark =
      CheckStart(request.benchmark(), request.action_space());
  if (!benchmark.ok()) return benchmark.status();
  const IdleOnReturn idle_on_return(&progress_);
  progress_.Set(WorkerFailure::INIT);
  status = MakeSession("Init", request.action_space(), [&](CompilationSession* session) {
    return session->Init(request.action_space(), **benchmark);
  });
  if (!status.ok()) return status;
  status = Observe(request.observation_space(), reply, answer);
  if (!status.ok()) {
    session_.reset();
    return status;
  }
  reply->set_session_id(kOnlySessionId);
  return absl::OkStatus();
}

absl::Status SessionHost::Restore(const RestoreRequest& request, RestoreReply* reply,
                                  WorkerAnswer* answer) {
  answer->clean = true;
  const absl::StatusOr<const Benchmark*> benchmark =
      CheckStart(request.benchmark(), request.action_space());
  if (!benchmark.ok()) return benchmark.status();
  const WorkerSnapshot& whole = request.snapshot();
  const SessionSnapshot snapshot{whole.type(), whole.version(), whole.data()};
  const IdleOnReturn idle_on_return(&progress_);
  progress_.Set(WorkerFailure::RESTORE);
  absl::Status status =
      MakeSession("Restore", request.action_space(), [&](CompilationSession* session) {
        return session->Restore(request.action_space(), **benchmark, snapshot);
      });
  if (!status.ok()) return status;
  if (whole.has_action_space()) {
    action_space_ = whole.action_space();
    has_new_action_space_ = true;
  }
  reply->set_session_id(kOnlySessionId);
  return absl::OkStatus();
}

absl::Status SessionHost::MakeBenchmark(const MakeBenchmarkRequest& request,
                                        MakeBenchmarkReply* reply, WorkerAnswer* answer) {
  answer->clean = true;
  if (session_ != nullptr) {
    return absl::FailedPreconditionError("this worker holds a session already");
  }
  const IdleOnReturn idle_on_return(&progress_);
  progress_.Set(WorkerFailure::INIT);
  absl::StatusOr<Benchmark> made =
      Guarded("MakeBenchmark", [&] { return type_.make_benchmark(request.uri(), context_); });
  if (!made.ok()) return made.status();
  *reply->mutable_benchmark() = *std::move(made);
  return absl::OkStatus();
}

absl::Status SessionHost::Snapshot(SnapshotReply* reply, WorkerAnswer* answer) {
  answer->clean = true;
  if (session_ == nullptr) return absl::FailedPreconditionError("this worker holds no session");
  const IdleOnReturn idle_on_return(&progress_);
  progress_.Set(WorkerFailure::SNAPSHOT);
  absl::StatusOr<absl::optional<SessionSnapshot>> snapshot =
      Guarded("Snapshot", [&] { return session_->Snapshot(); });
  if (!snapshot.ok()) return snapshot.status();
  if (!snapshot->has_value()) return absl::OkStatus();
  WorkerSnapshot& whole = *reply->mutable_snapshot();
  whole.set_type((*snapshot)->type);
  whole.set_version((*snapshot)->version);
  whole.set_data(std::move((*snapshot)->data));
  if (has_new_action_space_) *whole.mutable_action_space() = action_space_;
  const absl::StatusOr<std::string> fingerprint =
      Guarded("Fingerprint", [&] { return session_->Fingerprint(); });
  if (!fingerprint.ok()) return fingerprint.status();
  reply->set_fingerprint(fingerprint->substr(0, kMaxFingerprintBytes));
  return absl::OkStatus();
}

absl::Status SessionHost::Step(const StepRequest& request, StepReply* reply, WorkerAnswer* answer) {
  answer->clean = true;
  absl::Status status = CheckSession(request.session_id());
  if (status.ok()) status = CheckObservationSpaces(request.observation_space());
  if (!status.ok()) return status;
  // All are checked before the first is applied. One behind an action that changes the space is
  // checked again when its turn comes: it must fit both.
  for (int i = 0; i < request.action_size(); ++i) {
    status = CheckAction(absl::StrCat("action[", i, "]"), action_space_, request.action(i));
    if (!status.ok()) return status;
  }
  const IdleOnReturn idle_on_return(&progress_);
  const absl::Time start = absl::Now();
  status = ApplyActions(request, reply, answer);
  answer->action_time = absl::Now() - start;
  if (status.ok()) status = Observe(request.observation_space(), reply, answer);
  if (status.ok() && answer->actions_applied > 0) MaybeFingerprint(absl::Now() - start, answer);
  return status;
}

void SessionHost::MaybeFingerprint(absl::Duration step_time, WorkerAnswer* answer) {
  if (!fingerprint_budget_.Allows(step_time)) return;
  const absl::Time start = absl::Now();
  progress_.Set(WorkerFailure::FINGERPRINT);
  const absl::StatusOr<std::string> fingerprint =
      Guarded("Fingerprint", [&] { return session_->Fingerprint(); });
  fingerprint_budget_.Spend(absl::Now() - start);
  if (fingerprint.ok()) answer->fingerprint = fingerprint->substr(0, kMaxFingerprintBytes);
}

absl::Status SessionHost::Fingerprint(FingerprintReply* reply, WorkerAnswer* answer) {
  answer->clean = true;
  if (session_ == nullptr) return absl::FailedPreconditionError("this worker holds no session");
  const IdleOnReturn idle_on_return(&progress_);
  progress_.Set(WorkerFailure::FINGERPRINT);
  const absl::StatusOr<std::string> fingerprint =
      Guarded("Fingerprint", [&] { return session_->Fingerprint(); });
  if (!fingerprint.ok()) return fingerprint.status();
  reply->set_fingerprint(fingerprint->substr(0, kMaxFingerprintBytes));
  return absl::OkStatus();
}

absl::Status SessionHost::ApplyActions(const StepRequest& request, StepReply* reply,
                                       WorkerAnswer* answer) {
  bool had_no_effect = true;
  absl::Status failure;
  for (const auto& action : request.action()) {
    if (reply->has_new_action_space()) {
      failure =
          CheckAction(absl::StrCat("action[", answer->actions_applied, "]"), action_space_, action);
      if (!failure.ok()) break;
    }
    progress_.Set(WorkerFailure::ACTION, static_cast<int32_t>(answer->actions_applied));
    absl::StatusOr<ActionResult> result =
        Guarded("ApplyAction", [&] { return session_->ApplyAction(action); });
    if (!result.ok()) {
      answer->clean = IsCleanError(result.status());
      failure = result.status();
      if (request.action_size() > 1) {  // Which one, for those before it stay applied.
        failure = absl::Status(failure.code(), absl::StrCat("action[", answer->actions_applied,
                                                            "]: ", failure.message()));
      }
      break;
    }
    ++answer->actions_applied;
    had_no_effect = had_no_effect && result->had_no_effect;
    if (result->new_action_space.has_value()) {
      action_space_ = result->new_action_space->space();
      has_new_action_space_ = true;
      *reply->mutable_new_action_space() = *std::move(result->new_action_space);
    }
    if (result->end_of_session) {
      reply->set_end_of_session(true);
      break;
    }
  }
  reply->set_action_had_no_effect(had_no_effect);
  if (answer->actions_applied == 0) return failure;
  progress_.Set(WorkerFailure::END_OF_STEP);
  absl::Status end = Guarded("EndOfStep", [&] { return session_->EndOfStep(had_no_effect); });
  if (!end.ok()) {
    // What the step made of the session is not a state to go on from.
    answer->actions_applied = 0;
    answer->clean = false;
    return failure.ok() ? end : failure;
  }
  return failure;
}

template <typename Indices, typename Reply>
absl::Status SessionHost::Observe(const Indices& observation_space, Reply* reply,
                                  WorkerAnswer* answer) {
  int32_t position = 0;
  for (const int index : observation_space) {
    progress_.Set(WorkerFailure::OBSERVATION, position++);
    absl::StatusOr<compiler_gym::Event> observation =
        Guarded("ComputeObservation", [&] { return session_->ComputeObservation(index); });
    if (!observation.ok()) {
      answer->clean = IsCleanError(observation.status());
      return observation.status();
    }
    *reply->add_observation() = *std::move(observation);
  }
  return absl::OkStatus();
}

absl::Status SessionHost::HandleParameter(const compiler_gym::SessionParameter& parameter,
                                          HandleParameterReply* reply, WorkerAnswer* answer) {
  answer->clean = true;
  if (session_ == nullptr) return absl::FailedPreconditionError("this worker holds no session");
  const IdleOnReturn idle_on_return(&progress_);
  const absl::Time start = absl::Now();
  progress_.Set(WorkerFailure::PARAMETER);
  absl::StatusOr<absl::optional<ParameterResult>> result = Guarded("HandleParameter", [&] {
    return session_->HandleParameter(parameter.key(), parameter.value());
  });
  if (!result.ok()) {
    answer->clean = IsCleanError(result.status());
    return result.status();
  }
  if (result->has_value()) {
    reply->set_known(true);
    reply->set_reply((*result)->reply);
    reply->set_changed_state((*result)->changed_state);
    if (reply->changed_state()) MaybeFingerprint(absl::Now() - start, answer);
  }
  return absl::OkStatus();
}

void SessionHost::EndSession(int64_t session_id) {
  if (session_id == kOnlySessionId) session_.reset();
}

}  // namespace holdfast
