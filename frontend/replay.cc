#include "frontend/replay.h"

#include <grpcpp/support/slice.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/byte_buffer.h"
#include "frontend/step_request.h"
#include "proto/worker_control.pb.h"

namespace holdfast {
namespace {

// One replay under way. Kept alive by the callback of its call.
class ReplayRun : public std::enable_shared_from_this<ReplayRun> {
 public:
  ReplayRun(SessionOrigin origin, ReplayBase base, History history, Checkmark checkmark,
            std::shared_ptr<WorkerClient> client, absl::Time deadline,
            absl::AnyInvocable<void(const ReplayResult&)> done)
      : origin_(std::move(origin)),
        base_(std::move(base)),
        history_(std::move(history)),
        reader_(history_),
        checkmark_(std::move(checkmark)),
        client_(std::move(client)),
        deadline_(deadline),
        done_(std::move(done)) {}

  void Start() {
    if (base_.snapshot == nullptr) {
      Call(WorkerMethod::kStartSession, WorkerStartRequest(origin_));
    } else {
      restore_start_ = absl::Now();
      limit_ = std::min(deadline_, restore_start_ + base_.time_limit);
      Call(WorkerMethod::kRestore, WorkerRestoreRequest());
    }
  }

 private:
  void Call(WorkerMethod method, const grpc::ByteBuffer& request) {
    client_->Call(method, request, method == WorkerMethod::kRestore ? limit_ : deadline_,
                  [self = shared_from_this(), method](const WorkerReply& reply) {
                    self->Answered(method, reply);
                  });
  }

  void Answered(WorkerMethod method, const WorkerReply& reply) {
    if (!reply.status.ok() && !reply.answer.has_value()) {
      Finish(ReplayResult::kWorkerFailed, reply.status);
      return;
    }
    switch (method) {
      case WorkerMethod::kRestore:
        return OnRestored(reply);
      case WorkerMethod::kEndSession:  // Of what was restored wrongly.
        return Call(WorkerMethod::kStartSession, WorkerStartRequest(origin_));
      case WorkerMethod::kStartSession:
        return OnStarted(reply);
      case WorkerMethod::kFingerprint:
        return OnFingerprint(reply);
      case WorkerMethod::kHandleParameter:
        return OnParameterHandled(reply);
      default:
        return OnStepped(reply);
    }
  }

  void OnRestored(const WorkerReply& reply) {
    RestoreReply restored;
    if (!reply.status.ok() || !Parse(reply.message, &restored).ok()) {
      RefuseSnapshot();
      Call(WorkerMethod::kStartSession, WorkerStartRequest(origin_));
      return;
    }
    result_.restore_time = absl::Now() - restore_start_;
    SetWorkerSession(restored.session_id());
    for (; entries_ < base_.entries; ++entries_) reader_.Next();
    if (base_.snapshot->fingerprint().empty()) {
      CheckAndGoOn();
    } else {
      Call(WorkerMethod::kFingerprint, Serialize(FingerprintRequest()));
    }
  }

  void RefuseSnapshot() {
    result_.is_snapshot_refused = true;
    base_.snapshot.reset();
    entries_ = 0;
    reader_ = History::Reader(history_);
  }

  void OnStarted(const WorkerReply& reply) {
    compiler_gym::StartSessionReply started;
    if (!reply.status.ok() || !Parse(reply.message, &started).ok()) {
      // The same bytes were good before: it is the machine, out of space or processes, that is not.
      result_.is_snapshot_refused = false;
      Finish(ReplayResult::kRefused, reply.status);
      return;
    }
    SetWorkerSession(started.session_id());
    CheckAndGoOn();
  }

  void OnParameterHandled(const WorkerReply& reply) {
    HandleParameterReply handled;
    if (!reply.status.ok() || !Parse(reply.message, &handled).ok() || !handled.known()) {
      Diverged(absl::StrCat("the parameter at entry ", entries_, " of the history is refused now"),
               reply.status);
      return;
    }
    CheckAndGoOn();
  }

  void OnStepped(const WorkerReply& reply) {
    if (reply.answer.has_value() &&
        (!reply.answer->clean || reply.answer->actions_applied != expected_actions_)) {
      Diverged(
          absl::StrCat("entry ", entries_, " of the history applied ",
                       reply.answer->actions_applied, " actions instead of ", expected_actions_),
          reply.status);
    } else if (!reply.status.ok()) {
      Diverged(absl::StrCat("entry ", entries_, " of the history fails now"), reply.status);
    } else {
      CheckAndGoOn();
    }
  }

  // After an entry, or what the replay began with.
  void CheckAndGoOn() {
    if (entries_ > 0 && entries_ == checkmark_.entries) {
      Call(WorkerMethod::kFingerprint, Serialize(FingerprintRequest()));
    } else {
      ApplyNext();
    }
  }

  void OnFingerprint(const WorkerReply& reply) {
    FingerprintReply now;
    const bool is_answered = reply.status.ok() && Parse(reply.message, &now).ok();
    // Just restored: the snapshot is checked first.
    const bool is_of_snapshot = base_.snapshot != nullptr && !is_snapshot_checked_;
    const std::string& expected =
        is_of_snapshot ? base_.snapshot->fingerprint() : checkmark_.fingerprint;
    const bool is_same = is_answered && now.fingerprint() == expected;
    if (is_of_snapshot) {
      is_snapshot_checked_ = true;
      if (is_same) return CheckAndGoOn();
      RefuseSnapshot();
      compiler_gym::EndSessionRequest end;
      end.set_session_id(result_.worker_session_id);
      Call(WorkerMethod::kEndSession, Serialize(end));
    } else if (is_same) {
      ApplyNext();
    } else {
      Diverged(absl::StrCat("the fingerprint after entry ", entries_,
                            " of the history differs from the one taken before"),
               reply.status);
    }
  }

  void ApplyNext() {
    const absl::optional<History::Entry> entry = reader_.Next();
    if (!entry.has_value()) {
      Finish(ReplayResult::kRestored, grpc::Status::OK);
      return;
    }
    ++entries_;
    expected_actions_ = entry->action_count;
    if (entry->kind == History::Entry::kStep) {
      const grpc::Slice parts[] = {grpc::Slice(entry->bytes.data(), entry->bytes.size()),
                                   grpc::Slice(id_field_)};
      Call(WorkerMethod::kStep, grpc::ByteBuffer(parts, 2));
    } else {
      HandleParameterRequest request;
      request.mutable_parameter()->ParseFromArray(entry->bytes.data(),
                                                  static_cast<int>(entry->bytes.size()));
      Call(WorkerMethod::kHandleParameter, Serialize(request));
    }
  }

  void Diverged(const std::string& what, const grpc::Status& status) {
    Finish(ReplayResult::kDiverged,
           grpc::Status(grpc::StatusCode::DATA_LOSS,
                        status.ok() ? what : absl::StrCat(what, ": ", status.error_message())));
  }

  void SetWorkerSession(int64_t id) {
    result_.worker_session_id = id;
    id_field_ = EncodeSessionIdField(id);
  }

  grpc::ByteBuffer WorkerRestoreRequest() const {
    HeldRestoreRequest request;
    *request.mutable_benchmark() = *origin_.benchmark;
    request.set_action_space(origin_.action_space);
    request.set_snapshot(base_.snapshot->snapshot());
    return Serialize(request);
  }

  void Finish(ReplayResult::Outcome outcome, const grpc::Status& status) {
    result_.outcome = outcome;
    result_.status = status;
    done_(result_);
  }

  const SessionOrigin origin_;
  ReplayBase base_;
  const History history_;
  History::Reader reader_;
  const Checkmark checkmark_;
  const std::shared_ptr<WorkerClient> client_;
  const absl::Time deadline_;
  absl::AnyInvocable<void(const ReplayResult&)> done_;
  ReplayResult result_;
  std::string id_field_;
  absl::Time restore_start_;
  absl::Time limit_;  // Of the restore.
  bool is_snapshot_checked_ = false;
  int64_t entries_ = 0;  // Those that the worker's session has.
  int64_t expected_actions_ = 0;
};

}  // namespace

grpc::ByteBuffer WorkerStartRequest(
    const SessionOrigin& origin,
    const google::protobuf::RepeatedField<int32_t>& observation_space) {
  compiler_gym::StartSessionRequest request;
  *request.mutable_benchmark() = *origin.benchmark;
  request.set_action_space(origin.action_space);
  *request.mutable_observation_space() = observation_space;
  return Serialize(request);
}

void Replay(const SessionOrigin& origin, ReplayBase base, History history, Checkmark checkmark,
            std::shared_ptr<WorkerClient> client, absl::Time deadline,
            absl::AnyInvocable<void(const ReplayResult&)> done) {
  std::make_shared<ReplayRun>(origin, std::move(base), std::move(history), std::move(checkmark),
                              std::move(client), deadline, std::move(done))
      ->Start();
}

}  // namespace holdfast
