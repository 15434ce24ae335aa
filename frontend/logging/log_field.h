// What varies in a line of the log: values with names.
#ifndef HOLDFAST_FRONTEND_LOGGING_LOG_FIELD_H_
#define HOLDFAST_FRONTEND_LOGGING_LOG_FIELD_H_

#include <google/protobuf/message.h>

#include <cstdint>
#include <type_traits>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/variant.h"

namespace holdfast {

// Refers to what it is made of, which must live as long: fields are made where they are logged, and
// used at once.
class LogField {
 public:
  // A number of 64 bits that only names something. In JSON it is a string, as in that of Protocol
  // Buffers, because many readers round large numbers.
  struct Id {
    int64_t value = 0;
  };
  // In JSON the message itself, in text what is said of it.
  struct Record {
    const google::protobuf::Message* message = nullptr;
    absl::string_view text;
  };
  using Value =
      absl::variant<absl::string_view, int64_t, uint64_t, double, bool, absl::Duration, Id, Record>;

  // `value`: a text, a number, a bool or a duration. `name`: a constant, of [a-z_], and none of
  // time, level, subsystem and message.
  template <typename T>
  LogField(absl::string_view name, const T& value) : name_(name), value_(ToValue(value)) {}
  LogField(absl::string_view name, const google::protobuf::Message& record, absl::string_view text)
      : name_(name), value_(Record{&record, text}) {}

  static LogField Session(int64_t id) { return LogField("session", Id{id}); }

  absl::string_view name() const { return name_; }
  const Value& value() const { return value_; }

 private:
  template <typename T>
  static Value ToValue(const T& value) {
    if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, absl::Duration> ||
                  std::is_same_v<T, Id>) {
      return value;
    } else if constexpr (std::is_floating_point_v<T>) {
      return double{value};
    } else if constexpr (std::is_unsigned_v<T>) {
      return uint64_t{value};
    } else if constexpr (std::is_integral_v<T>) {
      return int64_t{value};
    } else {
      return absl::string_view(value);
    }
  }

  absl::string_view name_;
  Value value_;
};

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_LOGGING_LOG_FIELD_H_
