#include "common/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

size_t EncodedSize(const std::string& message) {
  size_t size = 0;
  for (const char c : message) size += c >= ' ' && c <= '~' && c != '%' ? 1 : 3;
  return size;
}

TEST(BoundMessageTest, LeavesWhatFits) {
  EXPECT_EQ(BoundMessage("", 10), "");
  EXPECT_EQ(BoundMessage("0123456789", 10), "0123456789");
}

TEST(BoundMessageTest, CutsByEncodedSize) {
  for (const char* unit : {"x", "\n", "%", "é", "€", "\xff"}) {
    std::string message;
    while (message.size() < 5000) message += unit;
    const std::string bounded = BoundMessage(message, 100);
    EXPECT_LE(EncodedSize(bounded), 100u) << unit;
    EXPECT_GE(EncodedSize(bounded), 80u) << unit;
    EXPECT_THAT(bounded, testing::EndsWith("[cut]"));
  }
}

TEST(BoundMessageTest, NeverCutsACharacterInTwo) {
  for (size_t limit = 20; limit < 60; ++limit) {
    std::string bounded = BoundMessage("a€€€€€€€€€€€€€€€€€€€€", limit);
    bounded.resize(bounded.size() - std::string(" [cut]").size());
    EXPECT_EQ((bounded.size() - 1) % 3, 0u) << limit;
  }
}

TEST(CheckIndexTest, NamesFieldValueAndRange) {
  EXPECT_TRUE(CheckIndex("field", 0, 1).ok());
  EXPECT_TRUE(CheckIndex("field", 4, 5).ok());
  EXPECT_EQ(CheckIndex("field", 5, 5).message(), "field is 5, must be in [0, 4]");
  EXPECT_EQ(CheckIndex("field", -1, 5).message(), "field is -1, must be in [0, 4]");
  EXPECT_EQ(CheckIndex("field", 0, 0).message(), "field is 0, but there is none to choose from");
}

TEST(ToGrpcStatusTest, KeepsTheCode) {
  const grpc::Status status = ToGrpcStatus(absl::DataLossError("gone"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(status.error_message(), "gone");
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

}  // namespace
}  // namespace holdfast
