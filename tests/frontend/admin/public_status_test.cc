#include "frontend/admin/public_status.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using testing::UnorderedElementsAre;

// Sets all fields of a message, of all kinds, each to a value of its own.
class Filler {
 public:
  void Fill(Message* message) {
    const auto* descriptor = message->GetDescriptor();
    for (int i = 0; i < descriptor->field_count(); ++i) FillField(descriptor->field(i), message);
  }

 private:
  void FillField(const FieldDescriptor* field, Message* message) {
    const Reflection* reflection = message->GetReflection();
    const bool is_many = field->is_repeated();
    const int64_t number = ++last_ * 0x123456789;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Fill(is_many ? reflection->AddMessage(message, field)
                     : reflection->MutableMessage(message, field));
        return;
      case FieldDescriptor::CPPTYPE_STRING: {
        const std::string text = absl::StrCat("text ", number);
        is_many ? reflection->AddString(message, field, text)
                : reflection->SetString(message, field, text);
        return;
      }
      case FieldDescriptor::CPPTYPE_INT64:
        ASSERT_FALSE(is_many);
        reflection->SetInt64(message, field, number);
        return;
      case FieldDescriptor::CPPTYPE_UINT64:
        ASSERT_FALSE(is_many);
        reflection->SetUInt64(message, field, number);
        return;
      case FieldDescriptor::CPPTYPE_INT32:
        ASSERT_FALSE(is_many);
        reflection->SetInt32(message, field, static_cast<int32_t>(number & 0x3fffffff));
        return;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection->SetDouble(message, field, static_cast<double>(number));
        return;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection->SetBool(message, field, true);
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection->SetEnumValue(message, field, 1);
        return;
      default:
        FAIL() << "a field of a new kind: " << field->full_name();
    }
  }

  int64_t last_ = 0;
};

// The values of all fields that are set, by their path: "sessions.id". Each list has one element.
void Flatten(const Message& message, const std::string& path,
             std::map<std::string, std::string>* values) {
  const Reflection* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string name = absl::StrCat(path, path.empty() ? "" : ".", field->name());
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Flatten(field->is_repeated() ? reflection->GetRepeatedMessage(message, field, 0)
                                   : reflection->GetMessage(message, field),
              name, values);
    } else {
      std::string text;
      google::protobuf::TextFormat::PrintFieldValueToString(message, field,
                                                            field->is_repeated() ? 0 : -1, &text);
      (*values)[name] = text;
    }
  }
}

// A new field of the status is public unless it is dealt with, and named here.
TEST(PublicStatusTest, ChangesTheSecretsAndNothingElse) {
  admin::ServiceStatus status;
  Filler().Fill(&status);
  std::map<std::string, std::string> before;
  Flatten(status, "", &before);
  ASSERT_GT(before.size(), 80U);
  const admin::ServiceStatus shown = WithoutSecrets(status);
  std::map<std::string, std::string> after;
  Flatten(shown, "", &after);
  std::vector<std::string> changed;
  const std::string text = shown.Utf8DebugString();
  const std::string bytes = shown.SerializeAsString();
  for (const auto& [path, value] : before) {
    const auto found = after.find(path);
    if (found != after.end() && found->second == value) continue;
    changed.push_back(path);
    // Nor is it anywhere else.
    EXPECT_FALSE(absl::StrContains(text, value)) << path << " " << value;
    EXPECT_FALSE(absl::StrContains(bytes, value)) << path;
  }
  EXPECT_THAT(changed,
              UnorderedElementsAre("sessions.id", "workers.session", "exits.failure.stderr_tail",
                                   "failures.session", "failures.failure.stderr_tail"));
}

TEST(PublicStatusTest, SessionsCanStillBeToldApart) {
  EXPECT_EQ(ShortenSessionId(0), 0);
  EXPECT_EQ(ShortenSessionId(1234567890123456789), 56789);
  EXPECT_EQ(ShortenSessionId(1234567890123400001), 1);
  EXPECT_EQ(ShortenSessionId(1234567890123400000), 100'000);  // Not "none".
  admin::ServiceStatus status;
  status.add_sessions()->set_id(0x123456789abcdef0);
  status.add_workers()->set_session(0x123456789abcdef0);
  status.add_workers();
  const admin::ServiceStatus shown = WithoutSecrets(status);
  EXPECT_EQ(shown.sessions(0).id(), shown.workers(0).session());
  EXPECT_EQ(shown.workers(1).session(), 0);
}

}  // namespace
}  // namespace holdfast
