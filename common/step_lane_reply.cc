#include "common/step_lane_reply.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/slice.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/byte_buffer.h"
#include "common/status.h"
#include "common/varint.h"
#include "proto/worker_control.pb.h"

namespace holdfast {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr uint32_t BytesTag(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}
constexpr uint32_t kAnswerTag = BytesTag(StepLaneReply::kAnswerFieldNumber);
constexpr uint32_t kReplyTag = BytesTag(StepLaneReply::kReplyFieldNumber);

// Reads all but the reply's bytes, which must be the rest of the `size` bytes.
bool ReadHead(CodedInputStream* input, size_t size, StepAnswer* answer, size_t* head_size) {
  uint32_t length;
  std::string bytes;
  if (input->ReadTag() != kAnswerTag || !input->ReadVarint32(&length) || length > size ||
      !input->ReadString(&bytes, static_cast<int>(length)) || !answer->ParseFromString(bytes)) {
    return false;
  }
  *head_size = static_cast<size_t>(input->CurrentPosition());
  if (*head_size == size) return true;
  if (input->ReadTag() != kReplyTag || !input->ReadVarint32(&length)) return false;
  *head_size = static_cast<size_t>(input->CurrentPosition());
  return size - *head_size == length;
}

// `buffer` without its first `size` bytes, of which there are enough.
grpc::ByteBuffer WithoutHead(const grpc::ByteBuffer& buffer, size_t size) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) slices.clear();  // It has been read: it can be dumped.
  std::vector<grpc::Slice> rest;
  rest.reserve(slices.size());
  for (const grpc::Slice& slice : slices) {
    const size_t cut = std::min(size, slice.size());
    size -= cut;
    if (cut < slice.size()) rest.push_back(slice.sub(cut, slice.size()));
  }
  return grpc::ByteBuffer(rest.data(), rest.size());
}

// False: numbers are out of range.
bool ReadAnswer(const StepAnswer& from, StepLaneReplyView* view) {
  if (from.actions_applied() < 0 || from.action_micros() < 0 ||
      from.code() < grpc::StatusCode::OK || from.code() > grpc::StatusCode::UNAUTHENTICATED) {
    return false;
  }
  WorkerAnswer& answer = view->answer;
  answer.actions_applied = from.actions_applied();
  answer.clean = from.clean();
  answer.fingerprint = from.fingerprint().substr(0, kMaxFingerprintBytes);
  answer.is_error = from.code() != 0;
  if (from.has_action_micros()) answer.action_time = absl::Microseconds(from.action_micros());
  view->status = from.code() == 0 ? grpc::Status::OK
                                  : grpc::Status(static_cast<grpc::StatusCode>(from.code()),
                                                 BoundMessage(from.message()));
  return true;
}

}  // namespace

grpc::ByteBuffer EncodeStepLaneReply(const StepLaneReplyView& view) {
  StepAnswer answer;
  answer.set_actions_applied(view.answer.actions_applied);
  answer.set_clean(view.answer.clean);
  answer.set_fingerprint(view.answer.fingerprint);
  if (view.answer.action_time.has_value()) {
    answer.set_action_micros(absl::ToInt64Microseconds(*view.answer.action_time));
  }
  answer.set_code(view.status.error_code());
  answer.set_message(view.status.error_message());

  std::string head;
  head.reserve(answer.ByteSizeLong() + 16);
  AppendVarint(kAnswerTag, &head);
  AppendVarint(answer.ByteSizeLong(), &head);
  answer.AppendToString(&head);
  AppendVarint(kReplyTag, &head);
  AppendVarint(view.reply.Length(), &head);
  return PrependSlice(head, view.reply);
}

bool DecodeStepLaneReply(const grpc::ByteBuffer& bytes, StepLaneReplyView* view) {
  if (!bytes.Valid()) return false;
  StepAnswer answer;
  size_t head_size = 0;
  if (grpc::Slice slice; bytes.TrySingleSlice(&slice).ok()) {
    CodedInputStream input(slice.begin(), static_cast<int>(slice.size()));
    if (!ReadHead(&input, slice.size(), &answer, &head_size)) return false;
    const grpc::Slice rest = slice.sub(head_size, slice.size());
    view->reply = grpc::ByteBuffer(&rest, 1);
  } else {
    grpc::ByteBuffer consumed = bytes;  // More references to the same slices.
    grpc::ProtoBufferReader reader(&consumed);
    CodedInputStream input(&reader);
    if (!ReadHead(&input, bytes.Length(), &answer, &head_size)) return false;
    view->reply = WithoutHead(bytes, head_size);
  }
  return ReadAnswer(answer, view);
}

}  // namespace holdfast
