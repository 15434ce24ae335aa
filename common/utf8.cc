#include "common/utf8.h"

#include <cstddef>
#include <cstdint>

namespace holdfast {
namespace {

// By length: what the first byte looks like, and the least character that needs it.
struct Form {
  uint8_t mask;
  uint8_t prefix;
  char32_t least;
};
constexpr Form kForms[] = {
    {0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

// The length of the character at the beginning of `text`; 0: there is none.
size_t Decode(absl::string_view text, char32_t* character) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  size_t length = 1;
  for (const Form& form : kForms) {
    if ((byte(0) & form.mask) == form.prefix) {
      if (text.size() < length) return 0;
      char32_t value = byte(0) & static_cast<uint8_t>(~form.mask);
      for (size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
        value = value << 6 | (byte(i) & 0x3f);
      }
      const bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
      if (value < form.least || value > 0x10ffff || is_surrogate) return 0;
      *character = value;
      return length;
    }
    ++length;
  }
  return 0;
}

}  // namespace

absl::optional<char32_t> TakeCharacter(absl::string_view* text) {
  char32_t character = 0;
  const size_t length = Decode(*text, &character);
  text->remove_prefix(length == 0 ? 1 : length);
  if (length == 0) return absl::nullopt;
  return character;
}

bool IsFormatCharacter(char32_t character) {
  return character == 0x061c || character == 0x180e ||
         (character >= 0x200b && character <= 0x200f) ||
         (character >= 0x2028 && character <= 0x202e) ||
         (character >= 0x2060 && character <= 0x206f) || character == 0xfeff ||
         (character >= 0xfff9 && character <= 0xfffb);
}

std::string ToUtf8(absl::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const absl::string_view before = bytes;
    if (TakeCharacter(&bytes).has_value()) {
      text.append(before.data(), before.size() - bytes.size());
    } else {
      text += '?';
    }
  }
  return text;
}

}  // namespace holdfast
