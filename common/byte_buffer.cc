#include "common/byte_buffer.h"

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/slice.h>

#include <vector>

#include "absl/strings/str_cat.h"

namespace holdfast {

using Traits = grpc::SerializationTraits<google::protobuf::Message>;

grpc::ByteBuffer Serialize(const google::protobuf::Message& message) {
  grpc::ByteBuffer buffer;
  bool own_buffer;
  Traits::Serialize(message, &buffer, &own_buffer);
  return buffer;
}

absl::Status Parse(const grpc::ByteBuffer& buffer, google::protobuf::Message* message) {
  grpc::ByteBuffer consumed = buffer;  // More references to the same slices.
  if (!Traits::Deserialize(&consumed, message).ok()) {
    return absl::InvalidArgumentError(absl::StrCat("malformed ", message->GetDescriptor()->name()));
  }
  return absl::OkStatus();
}

namespace {

// gRPC hands out only what can be dumped.
std::vector<grpc::Slice> SlicesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (buffer.Valid() && !buffer.Dump(&slices).ok()) slices.clear();
  return slices;
}

}  // namespace

grpc::ByteBuffer AppendSlice(const grpc::ByteBuffer& buffer, absl::string_view suffix) {
  grpc::Slice two[2];  // Most messages are one slice, and need no vector.
  if (buffer.Valid() && buffer.TrySingleSlice(&two[0]).ok()) {
    two[1] = grpc::Slice(suffix.data(), suffix.size());
    return grpc::ByteBuffer(two, 2);
  }
  std::vector<grpc::Slice> slices = SlicesOf(buffer);
  slices.emplace_back(suffix.data(), suffix.size());
  return grpc::ByteBuffer(slices.data(), slices.size());
}

grpc::ByteBuffer PrependSlice(absl::string_view prefix, const grpc::ByteBuffer& buffer) {
  grpc::Slice two[2];
  if (buffer.Valid() && buffer.TrySingleSlice(&two[1]).ok()) {
    two[0] = grpc::Slice(prefix.data(), prefix.size());
    return grpc::ByteBuffer(two, 2);
  }
  std::vector<grpc::Slice> slices = SlicesOf(buffer);
  slices.emplace(slices.begin(), prefix.data(), prefix.size());
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace holdfast
