// Between grpc::ByteBuffer, in which raw calls travel, and Protocol Buffers.
#ifndef HOLDFAST_COMMON_BYTE_BUFFER_H_
#define HOLDFAST_COMMON_BYTE_BUFFER_H_

#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace holdfast {

// All are thread-safe: they share no state, and slices are counted atomically.

// `message`, which must be smaller than 2 GiB, as all messages that gRPC has accepted are.
grpc::ByteBuffer Serialize(const google::protobuf::Message& message);

// Replaces `*message`. INVALID_ARGUMENT "malformed NAME" if `buffer` holds no such message; then
// what `*message` holds is unspecified. `buffer` is left as it is.
absl::Status Parse(const grpc::ByteBuffer& buffer, google::protobuf::Message* message);

// `buffer` followed by `suffix`. The slices of `buffer` are shared, not copied.
grpc::ByteBuffer AppendSlice(const grpc::ByteBuffer& buffer, absl::string_view suffix);
// `prefix` followed by `buffer`, likewise.
grpc::ByteBuffer PrependSlice(absl::string_view prefix, const grpc::ByteBuffer& buffer);

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_BYTE_BUFFER_H_
