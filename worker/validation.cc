#include "worker/validation.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "common/status.h"

namespace holdfast {
namespace {

using compiler_gym::CommandlineSpace;
using compiler_gym::Event;
using compiler_gym::Space;

absl::Status Expect(absl::string_view field, const Event& action, Event::ValueCase wanted) {
  if (action.value_case() == wanted) return absl::OkStatus();
  const auto name = [](Event::ValueCase value) -> std::string {
    const auto* field = Event::descriptor()->FindFieldByNumber(value);
    return field == nullptr ? "no value" : field->name();
  };
  return absl::InvalidArgumentError(
      absl::StrCat(field, " has ", name(action.value_case()), ", must have ", name(wanted)));
}

absl::Status CheckChoice(absl::string_view field, const Event& action, int64_t size) {
  absl::Status status = Expect(field, action, Event::kInt64Value);
  if (!status.ok()) return status;
  return CheckIndex(absl::StrCat(field, ".int64_value"), action.int64_value(), size);
}

// `Range` is one of the …Range messages: both ends are optional and inclusive.
template <typename Range, typename Value>
absl::Status CheckRange(absl::string_view field, const Range& range, Value value) {
  const Value low =
      range.has_min() ? static_cast<Value>(range.min()) : std::numeric_limits<Value>::lowest();
  const Value high =
      range.has_max() ? static_cast<Value>(range.max()) : std::numeric_limits<Value>::max();
  if (value >= low && value <= high) return absl::OkStatus();  // Also refuses NaN.
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", must be in [", low, ", ", high, "]"));
}

}  // namespace

absl::Status CheckAction(absl::string_view field, const Space& space, const Event& action) {
  absl::Status type_ok;
  switch (space.value_case()) {
    case Space::kDiscrete:
      return CheckChoice(field, action, space.discrete().n());
    case Space::kNamedDiscrete:
      return CheckChoice(field, action, space.named_discrete().name_size());
    case Space::kAnyValue: {
      CommandlineSpace commandline;
      if (!space.any_value().UnpackTo(&commandline)) return absl::OkStatus();
      return CheckChoice(field, action, commandline.name_size());
    }
    case Space::kBooleanValue:
      type_ok = Expect(field, action, Event::kBooleanValue);
      if (!type_ok.ok()) return type_ok;
      return CheckRange<compiler_gym::BooleanRange, int>(field, space.boolean_value(),
                                                         action.boolean_value());
    case Space::kInt64Value:
      type_ok = Expect(field, action, Event::kInt64Value);
      if (!type_ok.ok()) return type_ok;
      return CheckRange(field, space.int64_value(), action.int64_value());
    case Space::kFloatValue:
      type_ok = Expect(field, action, Event::kFloatValue);
      if (!type_ok.ok()) return type_ok;
      return CheckRange(field, space.float_value(), action.float_value());
    case Space::kDoubleValue:
      type_ok = Expect(field, action, Event::kDoubleValue);
      if (!type_ok.ok()) return type_ok;
      return CheckRange(field, space.double_value(), action.double_value());
    case Space::kStringValue:
      type_ok = Expect(field, action, Event::kStringValue);
      if (!type_ok.ok()) return type_ok;
      return CheckRange(absl::StrCat(field, ".string_value: length"),
                        space.string_value().length_range(),
                        static_cast<int64_t>(action.string_value().size()));
    default:
      return absl::OkStatus();
  }
}

}  // namespace holdfast
