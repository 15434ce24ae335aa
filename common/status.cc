#include "common/status.h"

#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

constexpr absl::string_view kCutMark = " [cut]";

// As gRPC encodes grpc-message: all but printable ASCII, and '%' itself, becomes %XX.
size_t EncodedSize(char c) { return c >= ' ' && c <= '~' && c != '%' ? 1 : 3; }

bool IsContinuationByte(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), BoundMessage(status.message()));
}

absl::Status CheckIndex(absl::string_view field, int64_t index, int64_t size) {
  if (index >= 0 && index < size) return absl::OkStatus();
  return absl::InvalidArgumentError(
      size == 0 ? absl::StrCat(field, " is ", index, ", but there is none to choose from")
                : absl::StrCat(field, " is ", index, ", must be in [0, ", size - 1, "]"));
}

std::string BoundMessage(absl::string_view message, size_t max_encoded_bytes) {
  size_t encoded = 0;
  size_t cut = 0;  // Where to cut so that the mark still fits.
  for (size_t i = 0; i < message.size(); ++i) {
    encoded += EncodedSize(message[i]);
    if (encoded > max_encoded_bytes) {
      while (cut > 0 && IsContinuationByte(message[cut])) --cut;  // Not inside a character.
      return absl::StrCat(message.substr(0, cut), kCutMark);
    }
    if (encoded + kCutMark.size() <= max_encoded_bytes) cut = i + 1;
  }
  return std::string(message);
}

}  // namespace holdfast
