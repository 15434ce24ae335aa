// Between absl::Status, which we use inside, and grpc::Status, which the wire knows. The codes are
// the same numbers.
#ifndef HOLDFAST_COMMON_STATUS_H_
#define HOLDFAST_COMMON_STATUS_H_

#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace holdfast {

// Also bounds the message.
grpc::Status ToGrpcStatus(const absl::Status& status);

// InvalidArgument unless 0 <= index < size, naming the field, the value and the range.
absl::Status CheckIndex(absl::string_view field, int64_t index, int64_t size);

// `message`, cut at the end so that it takes at most `max_encoded_bytes` on the wire, where gRPC
// percent-encodes it: three bytes for one that is not printable ASCII. Trailers of more than about
// 8 KB cost a client its whole connection.
std::string BoundMessage(absl::string_view message, size_t max_encoded_bytes = 2048);

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_STATUS_H_
