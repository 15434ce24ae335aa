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

grpc::ByteBuffer AppendSlice(const grpc::ByteBuffer& buffer, absl::string_view suffix) {
  std::vector<grpc::Slice> slices;
  // Fails only for what cannot be decompressed, and gRPC hands out no such buffer.
  if (buffer.Valid() && !buffer.Dump(&slices).ok()) slices.clear();
  slices.emplace_back(suffix.data(), suffix.size());
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace holdfast
