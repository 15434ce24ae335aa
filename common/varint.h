// Protocol Buffers' encoding of integers.
#ifndef HOLDFAST_COMMON_VARINT_H_
#define HOLDFAST_COMMON_VARINT_H_

#include <cstdint>
#include <string>

namespace holdfast {

// Appends 1 to 10 bytes.
inline void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_VARINT_H_
