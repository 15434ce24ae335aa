#include "common/byte_buffer.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "proto/compiler_gym_service.pb.h"

namespace holdfast {
namespace {

using compiler_gym::Benchmark;

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

TEST(ByteBufferTest, RoundTrip) {
  for (const size_t size : {0, 1, 20, 1000, 5000000}) {
    Benchmark benchmark;
    benchmark.mutable_program()->set_contents(std::string(size, 'x'));
    const grpc::ByteBuffer buffer = Serialize(benchmark);
    EXPECT_EQ(buffer.Length(), benchmark.ByteSizeLong());
    for (int i = 0; i < 2; ++i) {  // Parsing does not use the buffer up.
      Benchmark parsed;
      parsed.set_uri("is replaced");
      ASSERT_TRUE(Parse(buffer, &parsed).ok());
      EXPECT_EQ(parsed.SerializeAsString(), benchmark.SerializeAsString());
    }
  }
}

TEST(ByteBufferTest, EmptyMessage) {
  const grpc::ByteBuffer buffer = Serialize(compiler_gym::GetSpacesRequest());
  EXPECT_TRUE(buffer.Valid());
  EXPECT_EQ(buffer.Length(), 0);
  compiler_gym::GetSpacesRequest parsed;
  EXPECT_TRUE(Parse(buffer, &parsed).ok());
}

TEST(ByteBufferTest, ParsesAcrossSlices) {
  Benchmark benchmark;
  benchmark.set_uri("benchmark://a/b");
  std::vector<std::string> pieces;
  for (const char c : benchmark.SerializeAsString()) pieces.push_back({c});
  Benchmark parsed;
  ASSERT_TRUE(Parse(BufferOf(pieces), &parsed).ok());
  EXPECT_EQ(parsed.uri(), benchmark.uri());
}

TEST(ByteBufferTest, Malformed) {
  Benchmark parsed;
  const absl::Status status = Parse(BufferOf({"\x0a\x7f", "too short"}), &parsed);
  EXPECT_EQ(status, absl::InvalidArgumentError("malformed Benchmark"));
  EXPECT_EQ(Parse(grpc::ByteBuffer(), &parsed), status) << "no message at all";
}

TEST(ByteBufferTest, LargestMessage) {
  constexpr size_t kSize = 256 << 20;
  Benchmark benchmark;
  benchmark.mutable_program()->mutable_contents()->assign(kSize, 'x');
  const grpc::ByteBuffer buffer = Serialize(benchmark);
  benchmark.Clear();
  Benchmark parsed;
  ASSERT_TRUE(Parse(buffer, &parsed).ok());
  EXPECT_EQ(parsed.program().contents().size(), kSize);
}

TEST(ByteBufferTest, AppendSliceSharesWhatWasThere) {
  const std::string large(100000, 'x');
  const grpc::ByteBuffer buffer = BufferOf({large, "small", large});
  const grpc::ByteBuffer longer = AppendSlice(buffer, "suffix");
  EXPECT_EQ(BytesOf(longer), large + "small" + large + "suffix");
  EXPECT_EQ(buffer.Length(), 2 * large.size() + 5) << "the original is unchanged";

  std::vector<grpc::Slice> before;
  std::vector<grpc::Slice> after;
  ASSERT_TRUE(buffer.Dump(&before).ok());
  ASSERT_TRUE(longer.Dump(&after).ok());
  EXPECT_EQ(before.front().begin(), after.front().begin());
  EXPECT_EQ(before[2].begin(), after[2].begin());
}

TEST(ByteBufferTest, AppendSliceToNothing) {
  EXPECT_EQ(BytesOf(AppendSlice(grpc::ByteBuffer(), "suffix")), "suffix");
  EXPECT_EQ(BytesOf(AppendSlice(BufferOf({""}), "suffix")), "suffix");
}

}  // namespace
}  // namespace holdfast
