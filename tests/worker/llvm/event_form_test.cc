#include "tests/worker/llvm/event_form.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

namespace holdfast {
namespace {

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

absl::StatusCode Check(const std::string& space, const std::string& event) {
  return CheckForm(Parse<compiler_gym::Space>(space), Parse<compiler_gym::Event>(event)).code();
}

struct Case {
  std::string space;
  std::string right;
  std::vector<std::string> wrong;
};

TEST(CheckForm, TellsRightFromWrong) {
  const Case cases[] = {
      {"int64_value { min: 0 max: 7 }",
       "int64_value: 7",
       {"int64_value: 8", "int64_value: -1", "double_value: 3", ""}},
      {"int64_value {}", "int64_value: -1", {"boolean_value: true"}},
      {"double_value { min: 0 }", "double_value: 0.5", {"double_value: -0.5", "double_value: nan"}},
      {"boolean_value {}", "boolean_value: true", {"int64_value: 1"}},
      {"string_value { length_range { min: 1 max: 2 } }",
       "string_value: 'ab'",
       {"string_value: ''", "string_value: 'abc'", "event_dict {}"}},
      {"byte_sequence { scalar_range { min: 0 max: 255 } }",
       "byte_tensor { shape: 2 value: '\\xff\\x00' }",
       {"byte_tensor { shape: 1 value: 'ab' }", "byte_tensor { value: 'a' }",
        "byte_tensor { shape: 1 shape: 2 value: 'ab' }"}},
      {"byte_sequence { scalar_range { min: 0 max: 127 } }",
       "byte_tensor { shape: 1 value: '\\x7f' }",
       {"byte_tensor { shape: 1 value: '\\x80' }"}},
      {"bytes_sequence { length_range { max: 1 } }",
       "byte_tensor { shape: 1 value: 'a' }",
       {"byte_tensor { shape: 2 value: 'ab' }"}},
      {"double_sequence { length_range { min: 1 } scalar_range { min: 0 } }",
       "double_tensor { shape: 1 value: 1 }",
       {"double_tensor { shape: 0 }", "double_tensor { shape: 1 value: -1 }"}},
      {"int64_sequence { scalar_range { max: 1 } }",
       "int64_tensor { shape: 1 value: 1 }",
       {"int64_tensor { shape: 1 value: 2 }"}},
      {"string_sequence {}",
       "string_tensor { shape: 1 value: 'a' }",
       {"string_tensor { shape: 1 }"}},
      {"int64_box { low { shape: 2 value: 0 value: 1 } high { shape: 2 value: 5 value: 5 } }",
       "int64_tensor { shape: 2 value: 0 value: 1 }",
       {"int64_tensor { shape: 2 value: 0 value: 0 }",
        "int64_tensor { shape: 2 value: 6 value: 1 }", "int64_tensor { shape: 1 value: 0 }",
        "int64_tensor { shape: 2 value: 0 }",
        "int64_tensor { shape: 1 shape: 2 value: 0 value: 1 }"}},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(Check(one.space, one.right), absl::StatusCode::kOk) << one.space << one.right;
    for (const std::string& wrong : one.wrong) {
      EXPECT_EQ(Check(one.space, wrong), absl::StatusCode::kInvalidArgument) << one.space << wrong;
    }
  }
  EXPECT_EQ(Check("space_list {}", "event_list {}"), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace holdfast
