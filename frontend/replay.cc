#include "frontend/replay.h"

#include <grpcpp/support/slice.h>

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
  ReplayRun(History history, Checkmark checkmark, std::shared_ptr<WorkerClient> client,
            absl::Time deadline, absl::AnyInvocable<void(const ReplayResult&)> done)
      : history_(std::move(history)),
        reader_(history_),
        checkmark_(std::move(checkmark)),
        client_(std::move(client)),
        deadline_(deadline),
        done_(std::move(done)) {}

  void Start(const SessionOrigin& origin) {
    Call(WorkerMethod::kStartSession, WorkerStartRequest(origin));
  }

 private:
  void Call(WorkerMethod method, const grpc::ByteBuffer& request) {
    client_->Call(method, request, deadline_,
                  [self = shared_from_this(), method](const WorkerReply& reply) {
                    self->Answered(method, reply);
                  });
  }

  void Answered(WorkerMethod method, const WorkerReply& reply) {
    if (!reply.status.ok() && !reply.answer.has_value()) {
      Finish(ReplayResult::kWorkerFailed, reply.status);
      return;
    }
    if (method == WorkerMethod::kStartSession) {
      compiler_gym::StartSessionReply started;
      if (!reply.status.ok() || !Parse(reply.message, &started).ok()) {
        Diverged("the benchmark is refused now", reply.status);
        return;
      }
      result_.worker_session_id = started.session_id();
      id_field_ = EncodeSessionIdField(started.session_id());
    } else if (method == WorkerMethod::kHandleParameter) {
      HandleParameterReply handled;
      if (!reply.status.ok() || !Parse(reply.message, &handled).ok() || !handled.known()) {
        Diverged(
            absl::StrCat("the parameter at entry ", entries_, " of the history is refused now"),
            reply.status);
        return;
      }
    } else if (method == WorkerMethod::kFingerprint) {
      FingerprintReply now;
      if (!reply.status.ok() || !Parse(reply.message, &now).ok() ||
          now.fingerprint() != checkmark_.fingerprint) {
        Diverged(absl::StrCat("the fingerprint after entry ", entries_,
                              " of the history differs from the one taken before"),
                 reply.status);
        return;
      }
      ApplyNext();
      return;
    } else if (reply.answer.has_value() &&
               (!reply.answer->clean || reply.answer->actions_applied != expected_actions_)) {
      Diverged(
          absl::StrCat("entry ", entries_, " of the history applied ",
                       reply.answer->actions_applied, " actions instead of ", expected_actions_),
          reply.status);
      return;
    } else if (!reply.status.ok()) {
      Diverged(absl::StrCat("entry ", entries_, " of the history fails now"), reply.status);
      return;
    }
    if (entries_ > 0 && entries_ == checkmark_.entries) {
      Call(WorkerMethod::kFingerprint, Serialize(FingerprintRequest()));
      return;
    }
    ApplyNext();
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

  void Finish(ReplayResult::Outcome outcome, const grpc::Status& status) {
    result_.outcome = outcome;
    result_.status = status;
    done_(result_);
  }

  const History history_;
  History::Reader reader_;
  const Checkmark checkmark_;
  const std::shared_ptr<WorkerClient> client_;
  const absl::Time deadline_;
  absl::AnyInvocable<void(const ReplayResult&)> done_;
  ReplayResult result_;
  std::string id_field_;
  int64_t entries_ = 0;
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

void Replay(const SessionOrigin& origin, History history, Checkmark checkmark,
            std::shared_ptr<WorkerClient> client, absl::Time deadline,
            absl::AnyInvocable<void(const ReplayResult&)> done) {
  std::make_shared<ReplayRun>(std::move(history), std::move(checkmark), std::move(client), deadline,
                              std::move(done))
      ->Start(origin);
}

}  // namespace holdfast
