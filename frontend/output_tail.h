// The last bytes of a process's output.
#ifndef HOLDFAST_FRONTEND_OUTPUT_TAIL_H_
#define HOLDFAST_FRONTEND_OUTPUT_TAIL_H_

#include <string>

#include "absl/strings/string_view.h"

namespace holdfast {

class OutputTail {
 public:
  explicit OutputTail(size_t capacity = 4096) : capacity_(capacity) {}

  void Append(absl::string_view bytes) {
    if (bytes.size() > capacity_) bytes.remove_prefix(bytes.size() - capacity_);
    text_.append(bytes.data(), bytes.size());
    if (text_.size() > 2 * capacity_) text_.erase(0, text_.size() - capacity_);
  }

  void Clear() { text_.clear(); }

  // At most `capacity` bytes, as they came: any bytes at all.
  absl::string_view text() const {
    absl::string_view text = text_;
    if (text.size() > capacity_) text.remove_prefix(text.size() - capacity_);
    return text;
  }

 private:
  const size_t capacity_;
  std::string text_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_OUTPUT_TAIL_H_
