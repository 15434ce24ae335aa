// What the front reads from a worker's step lane, compared with Protocol Buffers' own parser.
#include <grpcpp/support/slice.h>

#include <string>
#include <vector>

#include "common/step_lane_reply.h"
#include "proto/worker_control.pb.h"
#include "tests/fuzz/fuzzing.h"

namespace holdfast {
namespace {

grpc::ByteBuffer InPieces(const std::string& bytes, size_t cut) {
  const size_t at = cut % (bytes.size() + 1);
  const grpc::Slice slices[] = {grpc::Slice(bytes.substr(0, at)), grpc::Slice(bytes.substr(at))};
  return grpc::ByteBuffer(slices, 2);
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  Require(buffer.Dump(&slices).ok(), "a reply can be dumped");
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(slice.begin(), slice.end());
  return bytes;
}

void Check(FuzzedDataProvider* input) {
  const size_t cut = input->ConsumeIntegral<uint16_t>();
  const std::string bytes = input->ConsumeRemainingBytesAsString();
  StepLaneReplyView view;
  StepLaneReplyView in_pieces;
  const bool is_good = DecodeStepLaneReply(InPieces(bytes, 0), &view);
  Require(DecodeStepLaneReply(InPieces(bytes, cut), &in_pieces) == is_good,
          "how bytes lie in memory does not matter");
  if (!is_good) return;
  StepLaneReply message;
  Require(message.ParseFromString(bytes), "what is read is a message of the protocol");
  const StepAnswer& answer = message.answer();
  Require(view.answer.actions_applied == answer.actions_applied() && answer.actions_applied() >= 0,
          "the number of actions is the message's, and not negative");
  Require(view.answer.clean == answer.clean(), "clean is the message's");
  Require(view.answer.fingerprint.size() <= kMaxFingerprintBytes, "a fingerprint is short");
  Require(view.status.error_code() == answer.code() && answer.code() >= 0 && answer.code() <= 16,
          "the code is the message's, and there is such a code");
  Require(BytesOf(view.reply) == message.reply() && BytesOf(in_pieces.reply) == message.reply(),
          "the reply is the message's");
  StepLaneReplyView again;
  Require(DecodeStepLaneReply(EncodeStepLaneReply(view), &again), "it can be written again");
  Require(BytesOf(again.reply) == message.reply(), "and read");
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  holdfast::SilenceProtobuf();
  FuzzedDataProvider input(data, size);
  holdfast::Check(&input);
  return 0;
}
