// How large a status is in the trailers of a call.
#ifndef HOLDFAST_TESTS_FUZZ_WIRE_SIZE_H_
#define HOLDFAST_TESTS_FUZZ_WIRE_SIZE_H_

#include <grpcpp/support/status.h>

#include <cstddef>
#include <string>

namespace holdfast {

// More than twice that costs a client its connection.
inline constexpr size_t kMaxStatusOnWire = 4096;

// The message is percent-encoded, the details are base64.
inline size_t SizeOnWire(const grpc::Status& status) {
  size_t size = (status.error_details().size() + 2) / 3 * 4;
  for (const char c : status.error_message()) size += c >= ' ' && c <= '~' && c != '%' ? 1 : 3;
  return size;
}

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_FUZZ_WIRE_SIZE_H_
