#include "tests/fuzz/model_worker.h"

#include <algorithm>
#include <functional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/byte_buffer.h"
#include "proto/compiler_gym_service.pb.h"
#include "proto/worker_control.pb.h"
#include "tests/fuzz/fuzzing.h"

namespace holdfast {
namespace {

// What a snapshot's data begin with if a fingerprint goes along.
constexpr char kChecked[] = "checked ";

// Of the state that they make.
std::string FingerprintOf(const Numbers& applied) {
  return absl::StrCat("of ", std::hash<std::string>()(absl::StrJoin(applied, " ")));
}

}  // namespace

Numbers NumbersOf(const FakeWorkerClient::PendingCall& call) {
  Numbers numbers;
  if (call.method == WorkerMethod::kStep) {
    compiler_gym::StepRequest request;
    Require(Parse(call.request, &request).ok(), "a worker is sent requests that it can parse");
    for (const auto& action : request.action()) numbers.push_back(action.int64_value());
  } else if (call.method == WorkerMethod::kHandleParameter) {
    HandleParameterRequest request;
    Require(Parse(call.request, &request).ok(), "a worker is sent requests that it can parse");
    absl::string_view key = request.parameter().key();
    int64_t number = 0;
    if (absl::ConsumePrefix(&key, kParameterPrefix) && absl::SimpleAtoi(key, &number)) {
      numbers.push_back(number);
    }
  }
  return numbers;
}

void Append(const Numbers& more, Numbers* all) {
  all->insert(all->end(), more.begin(), more.end());
}

absl::optional<WorkerAnswer> ReadMark(absl::string_view mark) {
  absl::optional<WorkerAnswer> answer = ParseWorkerAnswer(mark);
  if (!answer.has_value()) return absl::nullopt;
  Require(answer->actions_applied >= 0, "no fewer actions than none are applied");
  const auto again = ParseWorkerAnswer(FormatWorkerAnswer(*answer));
  Require(again.has_value() && again->clean == answer->clean &&
              again->is_error == answer->is_error &&
              again->actions_applied == answer->actions_applied &&
              again->action_time == answer->action_time,
          "an answer is read as it was written");
  return answer;
}

void ModelWorker::Asked(const FakeWorkerClient::PendingCall& call) {
  ++calls_seen_;
  switch (call.method) {
    case WorkerMethod::kDescribe:
      return;
    case WorkerMethod::kStartSession:
      Require(!has_session_ && ++starts_ == 1, "a worker has one session");
      return;
    case WorkerMethod::kRestore:
      Require(!has_session_ && ++restores_ == 1 && starts_ == 0, "a worker has one session");
      return;
    case WorkerMethod::kEndSession:
      has_session_ = is_wrong_ = false;
      applied_.clear();
      return;
    case WorkerMethod::kFingerprint:
      Require(has_session_, "there is a session to be asked for its fingerprint");
      return;
    case WorkerMethod::kStep: {
      compiler_gym::StepRequest request;
      Require(Parse(call.request, &request).ok() && request.session_id() == session_id_,
              "a worker's session has the id that it said");
      break;
    }
    default:
      break;
  }
  Require(has_session_ && !is_wrong_, "what was restored wrongly is not used");
}

std::string ModelWorker::GoodReply(const FakeWorkerClient::PendingCall& call,
                                   FuzzedDataProvider* input) const {
  switch (call.method) {
    case WorkerMethod::kStartSession: {
      compiler_gym::StartSessionReply reply;
      reply.set_session_id(input->ConsumeIntegral<int8_t>());
      return reply.SerializeAsString();
    }
    case WorkerMethod::kHandleParameter: {
      HandleParameterReply reply;
      reply.set_known(input->ConsumeIntegralInRange(0, 7) < 7);
      reply.set_changed_state(input->ConsumeBool());
      return reply.SerializeAsString();
    }
    case WorkerMethod::kFingerprint: {
      FingerprintReply reply;
      reply.set_fingerprint(FingerprintOf(applied_));
      return reply.SerializeAsString();
    }
    case WorkerMethod::kSnapshot: {
      SnapshotReply reply;
      reply.mutable_snapshot();
      if (input->ConsumeBool()) reply.set_fingerprint(FingerprintOf(applied_));
      return reply.SerializeAsString();
    }
    case WorkerMethod::kRestore: {
      RestoreReply reply;
      reply.set_session_id(input->ConsumeIntegral<int8_t>());
      return reply.SerializeAsString();
    }
    default:
      return "";
  }
}

WorkerAnswer ModelWorker::GoodAnswer(const FakeWorkerClient::PendingCall& call, int64_t applied,
                                     FuzzedDataProvider* input) const {
  WorkerAnswer answer;
  answer.clean = true;
  if (call.method != WorkerMethod::kStep) return answer;
  Numbers numbers = NumbersOf(call);
  numbers.resize(std::min<size_t>(numbers.size(), applied));
  Numbers all = applied_;
  Append(numbers, &all);
  answer.actions_applied = applied;
  answer.fingerprint = FingerprintOf(all);
  // Up to what is worth any snapshot.
  constexpr absl::Duration kTimes[] = {absl::ZeroDuration(), absl::Milliseconds(1), absl::Hours(1)};
  answer.action_time = input->PickValueInArray(kTimes);
  return answer;
}

void ModelWorker::Answered(const FakeWorkerClient::PendingCall& call, const Numbers& numbers,
                           bool is_wrong, WorkerReply* reply) {
  ++calls_answered_;
  Append(numbers, &applied_);
  if (!reply->status.ok()) return;
  compiler_gym::StartSessionReply started;
  RestoreReply restored;
  if (call.method == WorkerMethod::kStartSession && Parse(reply->message, &started).ok()) {
    has_session_ = true;
    session_id_ = started.session_id();
  } else if (call.method == WorkerMethod::kRestore && Parse(reply->message, &restored).ok()) {
    session_id_ = restored.session_id();
    Restore(call.request, is_wrong);
  } else if (call.method == WorkerMethod::kSnapshot) {
    TakeSnapshot(reply);
  } else if (call.method == WorkerMethod::kFingerprint) {
    TakeFingerprint(reply);
  }
}

void ModelWorker::TakeSnapshot(WorkerReply* reply) const {
  SnapshotReply taken;
  if (!Parse(reply->message, &taken).ok() || !taken.has_snapshot()) return;
  const std::string own = FingerprintOf(applied_);
  const bool is_checked = !taken.fingerprint().empty();
  if (is_checked && taken.fingerprint() != own) taken.set_fingerprint("different");
  taken.mutable_snapshot()->set_data(
      absl::StrCat(is_checked ? kChecked : "", absl::StrJoin(applied_, " ")));
  reply->message = Serialize(taken);
}

void ModelWorker::Restore(const grpc::ByteBuffer& request, bool is_wrong) {
  RestoreRequest restore;
  Require(Parse(request, &restore).ok(), "a worker is sent requests that it can parse");
  absl::string_view data = restore.snapshot().data();
  const bool is_checked = absl::ConsumePrefix(&data, kChecked);
  has_session_ = true;
  is_wrong_ = is_wrong && is_checked;
  for (const absl::string_view text : absl::StrSplit(data, ' ', absl::SkipEmpty())) {
    int64_t number = 0;
    Require(absl::SimpleAtoi(text, &number), "what is restored is what a worker made");
    applied_.push_back(number);
  }
}

void ModelWorker::TakeFingerprint(WorkerReply* reply) const {
  FingerprintReply taken;
  if (!Parse(reply->message, &taken).ok()) return;
  if (!is_wrong_ && taken.fingerprint() == FingerprintOf(applied_)) return;
  taken.set_fingerprint(is_wrong_ ? "wrong" : "also different");
  reply->message = Serialize(taken);
}

}  // namespace holdfast
