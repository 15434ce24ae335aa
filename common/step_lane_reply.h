// How the reply to a step travels on a worker's step lane: see StepLaneReply in
// worker_control.proto.
#ifndef HOLDFAST_COMMON_STEP_LANE_REPLY_H_
#define HOLDFAST_COMMON_STEP_LANE_REPLY_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include "common/worker_answer.h"

namespace holdfast {

struct StepLaneReplyView {
  grpc::Status status;  // The session's own. No details; the message is bounded when it is read.
  WorkerAnswer answer;
  grpc::ByteBuffer reply;  // Shares the bytes that it was read from.
};

// The worker's side. Shares the bytes of `view.reply`.
grpc::ByteBuffer EncodeStepLaneReply(const StepLaneReplyView& view);

// The front's side, for untrusted bytes. False: they are not as the protocol says.
bool DecodeStepLaneReply(const grpc::ByteBuffer& bytes, StepLaneReplyView* view);

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_STEP_LANE_REPLY_H_
