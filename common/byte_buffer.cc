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

grpc::ByteBuffer AddSlice(const grpc::ByteBuffer& buffer, absl::string_view bytes, bool in_front) {
  const grpc::Slice added(bytes.data(), bytes.size());
  if (grpc::Slice only; buffer.Valid() && buffer.TrySingleSlice(&only).ok()) {
    // Most messages are one slice, and need no vector.
    const grpc::Slice two[] = {in_front ? added : only, in_front ? only : added};
    return grpc::ByteBuffer(two, 2);
  }
  std::vector<grpc::Slice> slices;
  // Fails only for what cannot be decompressed, and gRPC hands out no such buffer.
  if (buffer.Valid() && !buffer.Dump(&slices).ok()) slices.clear();
  slices.insert(in_front ? slices.begin() : slices.end(), added);
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace

grpc::ByteBuffer AppendSlice(const grpc::ByteBuffer& buffer, absl::string_view suffix) {
  return AddSlice(buffer, suffix, /*in_front=*/false);
}

grpc::ByteBuffer PrependSlice(absl::string_view prefix, const grpc::ByteBuffer& buffer) {
  return AddSlice(buffer, prefix, /*in_front=*/true);
}

}  // namespace holdfast
