#include "tests/worker/llvm/event_form.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace holdfast {
namespace {

using compiler_gym::ByteTensor;
using compiler_gym::Event;
using compiler_gym::Int64Range;
using compiler_gym::Space;

absl::Status Wrong(absl::string_view what) { return absl::InvalidArgumentError(what); }

template <typename Range, typename Number>
absl::Status CheckRange(absl::string_view what, const Range& range, Number number) {
  // Written so that NaN is in no range that has a bound.
  const bool above = range.optional_min_case() == Range::OPTIONAL_MIN_NOT_SET ||
                     number >= static_cast<Number>(range.min());
  const bool below = range.optional_max_case() == Range::OPTIONAL_MAX_NOT_SET ||
                     number <= static_cast<Number>(range.max());
  if (above && below) return absl::OkStatus();
  return Wrong(absl::StrCat(what, " is ", number, ", not in {", range.ShortDebugString(), "}"));
}

template <typename Tensor>
absl::Status CheckShape(const Tensor& tensor, int dimensions) {
  uint64_t elements = 1;
  for (const uint64_t extent : tensor.shape()) elements *= extent;
  if (tensor.shape_size() == dimensions && elements == static_cast<uint64_t>(tensor.value().size()))
    return absl::OkStatus();
  return Wrong(absl::StrCat("the shape is [", absl::StrJoin(tensor.shape(), ", "), "], of ",
                            tensor.value().size(), " elements, must have ", dimensions,
                            " dimensions"));
}

// `sequence` is a space of tensors of one dimension; a range of its elements is not there for all.
template <typename Sequence, typename Tensor>
absl::Status CheckSequence(const Sequence& sequence, const Tensor& tensor) {
  absl::Status status = CheckShape(tensor, /*dimensions=*/1);
  if (!status.ok()) return status;
  return CheckRange("the length", sequence.length_range(),
                    static_cast<int64_t>(tensor.value().size()));
}

template <typename Sequence, typename Tensor>
absl::Status CheckNumbers(const Sequence& sequence, const Tensor& tensor) {
  absl::Status status = CheckSequence(sequence, tensor);
  for (int i = 0; status.ok() && i < tensor.value_size(); ++i) {
    status = CheckRange(absl::StrCat("element ", i), sequence.scalar_range(), tensor.value(i));
  }
  return status;
}

// Of bytes: as signed numbers, unless the range is one of unsigned ones.
absl::Status CheckBytes(const compiler_gym::ByteSequenceSpace& sequence, const ByteTensor& tensor) {
  absl::Status status = CheckSequence(sequence, tensor);
  const bool is_unsigned = sequence.scalar_range().max() > INT8_MAX;
  for (size_t i = 0; status.ok() && i < tensor.value().size(); ++i) {
    const auto byte = static_cast<uint8_t>(tensor.value()[i]);
    const int64_t number = is_unsigned ? byte : static_cast<int8_t>(byte);
    status = CheckRange(absl::StrCat("byte ", i), sequence.scalar_range(), number);
  }
  return status;
}

absl::Status CheckBox(const compiler_gym::Int64Box& box, const compiler_gym::Int64Tensor& tensor) {
  for (const auto* bound : {&box.low(), &box.high()}) {
    absl::Status status = CheckShape(*bound, tensor.shape_size());
    if (!status.ok()) return status;
    if (absl::StrJoin(bound->shape(), ",") != absl::StrJoin(tensor.shape(), ",")) {
      return Wrong("the shape is not that of the box");
    }
  }
  absl::Status status = CheckShape(tensor, tensor.shape_size());
  for (int i = 0; status.ok() && i < tensor.value_size(); ++i) {
    Int64Range range;
    range.set_min(box.low().value(i));
    range.set_max(box.high().value(i));
    status = CheckRange(absl::StrCat("element ", i), range, tensor.value(i));
  }
  return status;
}

absl::Status CheckField(Event::ValueCase expected, const Event& event) {
  if (event.value_case() == expected) return absl::OkStatus();
  return Wrong(absl::StrCat("the event has field ", event.value_case(), ", must have ", expected));
}

}  // namespace

absl::Status CheckForm(const Space& space, const Event& event) {
  const auto in = [&event](Event::ValueCase field, const auto& check) {
    const absl::Status has_field = CheckField(field, event);
    return has_field.ok() ? check() : has_field;
  };
  switch (space.value_case()) {
    case Space::kBooleanValue:
      return in(Event::kBooleanValue, [&] {
        return CheckRange("the flag", space.boolean_value(), event.boolean_value());
      });
    case Space::kInt64Value:
      return in(Event::kInt64Value,
                [&] { return CheckRange("the number", space.int64_value(), event.int64_value()); });
    case Space::kDoubleValue:
      return in(Event::kDoubleValue, [&] {
        return CheckRange("the number", space.double_value(), event.double_value());
      });
    case Space::kStringValue:
      return in(Event::kStringValue, [&] {
        return CheckRange("the length", space.string_value().length_range(),
                          static_cast<int64_t>(event.string_value().size()));
      });
    case Space::kByteSequence:
      return in(Event::kByteTensor,
                [&] { return CheckBytes(space.byte_sequence(), event.byte_tensor()); });
    case Space::kBytesSequence:
      return in(Event::kByteTensor,
                [&] { return CheckSequence(space.bytes_sequence(), event.byte_tensor()); });
    case Space::kInt64Sequence:
      return in(Event::kInt64Tensor,
                [&] { return CheckNumbers(space.int64_sequence(), event.int64_tensor()); });
    case Space::kDoubleSequence:
      return in(Event::kDoubleTensor,
                [&] { return CheckNumbers(space.double_sequence(), event.double_tensor()); });
    case Space::kStringSequence:
      return in(Event::kStringTensor,
                [&] { return CheckSequence(space.string_sequence(), event.string_tensor()); });
    case Space::kInt64Box:
      return in(Event::kInt64Tensor,
                [&] { return CheckBox(space.int64_box(), event.int64_tensor()); });
    default:
      return absl::UnimplementedError(
          absl::StrCat("spaces of kind ", space.value_case(), " are not checked"));
  }
}

}  // namespace holdfast
