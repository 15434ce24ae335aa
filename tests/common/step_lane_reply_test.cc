#include "common/step_lane_reply.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proto/worker_control.pb.h"

namespace holdfast {
namespace {

grpc::ByteBuffer BufferOf(const std::vector<std::string>& pieces) {
  std::vector<grpc::Slice> slices(pieces.begin(), pieces.end());
  return grpc::ByteBuffer(slices.data(), slices.size());
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(slice.begin(), slice.end());
  return bytes;
}

StepLaneReplyView GoodReply(const std::string& reply) {
  StepLaneReplyView view;
  view.answer.actions_applied = 300;
  view.answer.clean = true;
  view.answer.fingerprint = std::string("\0\xff", 2);
  view.answer.action_time = absl::Microseconds(70000);
  view.reply = BufferOf({reply});
  return view;
}

void ExpectSame(const StepLaneReplyView& read, const StepLaneReplyView& written) {
  EXPECT_EQ(read.status.error_code(), written.status.error_code());
  EXPECT_EQ(read.status.error_message(), written.status.error_message());
  EXPECT_EQ(read.answer.actions_applied, written.answer.actions_applied);
  EXPECT_EQ(read.answer.clean, written.answer.clean);
  EXPECT_EQ(read.answer.fingerprint, written.answer.fingerprint);
  EXPECT_EQ(read.answer.action_time, written.answer.action_time);
  EXPECT_EQ(read.answer.is_error, !written.status.ok());
  EXPECT_EQ(BytesOf(read.reply), BytesOf(written.reply));
}

TEST(StepLaneReplyTest, IsReadAsWritten) {
  for (const size_t size : {0, 1, 20, 200, 5000000}) {
    const StepLaneReplyView written = GoodReply(std::string(size, 'x'));
    StepLaneReplyView read;
    ASSERT_TRUE(DecodeStepLaneReply(EncodeStepLaneReply(written), &read));
    ExpectSame(read, written);
  }
}

TEST(StepLaneReplyTest, CarriesAnErrorOfAnyText) {
  StepLaneReplyView written;
  written.status = grpc::Status(grpc::StatusCode::INTERNAL, "not UTF-8: \xff");
  written.reply = BufferOf({});
  StepLaneReplyView read;
  ASSERT_TRUE(DecodeStepLaneReply(EncodeStepLaneReply(written), &read));
  ExpectSame(read, written);
}

TEST(StepLaneReplyTest, IsTheMessageOfTheProtocol) {
  StepLaneReply message;
  ASSERT_TRUE(message.ParseFromString(BytesOf(EncodeStepLaneReply(GoodReply("reply")))));
  EXPECT_EQ(message.answer().actions_applied(), 300);
  EXPECT_EQ(message.reply(), "reply");
  StepLaneReplyView read;
  ASSERT_TRUE(DecodeStepLaneReply(BufferOf({message.SerializeAsString()}), &read));
  ExpectSame(read, GoodReply("reply"));
}

// As Protocol Buffers leaves it out.
TEST(StepLaneReplyTest, AnEmptyReplyMayBeLeftOut) {
  StepLaneReply message;
  message.mutable_answer()->set_code(3);
  StepLaneReplyView read;
  ASSERT_TRUE(DecodeStepLaneReply(BufferOf({message.SerializeAsString()}), &read));
  EXPECT_EQ(read.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(read.reply.Length(), 0);
}

TEST(StepLaneReplyTest, ALongErrorIsCut) {
  StepLaneReplyView written;
  written.status = grpc::Status(grpc::StatusCode::INTERNAL, std::string(100000, 'x'));
  StepLaneReplyView read;
  ASSERT_TRUE(DecodeStepLaneReply(EncodeStepLaneReply(written), &read));
  EXPECT_LT(read.status.error_message().size(), 4096);
}

TEST(StepLaneReplyTest, MayBeCutAnywhere) {
  const StepLaneReplyView written = GoodReply("the reply");
  const std::string bytes = BytesOf(EncodeStepLaneReply(written));
  for (size_t at = 0; at <= bytes.size(); ++at) {
    StepLaneReplyView read;
    ASSERT_TRUE(DecodeStepLaneReply(BufferOf({bytes.substr(0, at), bytes.substr(at)}), &read))
        << at;
    ExpectSame(read, written);
  }
}

TEST(StepLaneReplyTest, RefusesWhatIsNone) {
  const std::string bytes = BytesOf(EncodeStepLaneReply(GoodReply("the reply")));
  StepLaneReplyView read;
  const size_t answer_size = bytes.size() - std::string("..the reply").size();
  for (size_t size = 0; size < bytes.size(); ++size) {
    if (size == answer_size) continue;  // An empty reply.
    EXPECT_FALSE(DecodeStepLaneReply(BufferOf({bytes.substr(0, size)}), &read)) << size;
  }
  EXPECT_FALSE(DecodeStepLaneReply(BufferOf({bytes + "x"}), &read));
  EXPECT_FALSE(DecodeStepLaneReply(BufferOf({bytes, "x"}), &read));
  EXPECT_FALSE(DecodeStepLaneReply(grpc::ByteBuffer(), &read));
}

TEST(StepLaneReplyTest, RefusesNumbersOutOfRange) {
  const auto is_read = [](const StepAnswer& answer) {
    StepLaneReply message;
    *message.mutable_answer() = answer;
    message.set_reply("x");
    StepLaneReplyView read;
    return DecodeStepLaneReply(BufferOf({message.SerializeAsString()}), &read);
  };
  StepAnswer answer;
  answer.set_code(16);
  EXPECT_TRUE(is_read(answer));
  answer.set_code(17);
  EXPECT_FALSE(is_read(answer));
  answer.set_code(-1);
  EXPECT_FALSE(is_read(answer));
  answer.set_code(0);
  answer.set_actions_applied(-1);
  EXPECT_FALSE(is_read(answer));
  answer.set_actions_applied(0);
  answer.set_action_micros(-1);
  EXPECT_FALSE(is_read(answer));
}

}  // namespace
}  // namespace holdfast
