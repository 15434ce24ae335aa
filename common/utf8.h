// UTF-8, bytes that are none included.
#ifndef HOLDFAST_COMMON_UTF8_H_
#define HOLDFAST_COMMON_UTF8_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace holdfast {

// Takes the first character off `text`, which is not empty. nullopt: its first byte begins none,
// and only that byte is taken.
absl::optional<char32_t> TakeCharacter(absl::string_view* text);

// Whether it is shown as nothing, or makes what is around it show in another order or on another
// line: text of others that has some may not look like what it is.
bool IsFormatCharacter(char32_t character);

// A proto3 string must be UTF-8: other bytes become '?'.
std::string ToUtf8(absl::string_view bytes);

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_UTF8_H_
