// What the front and its spawner process read from each other.
#include "frontend/spawner/spawner_protocol.h"
#include "tests/fuzz/fuzzing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using holdfast::Require;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto message = holdfast::DecodeControlMessage(bytes);
  if (!message.ok()) {
    Require(absl::IsInvalidArgument(message.status()), "a refusal is INVALID_ARGUMENT");
    return 0;
  }
  // Only what the other side could have sent is accepted.
  const auto again = holdfast::EncodeControlMessage(*message);
  Require(again.ok() && *again == bytes, "a message that is read is one that is written");
  return 0;
}
