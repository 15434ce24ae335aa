// Proves that the generated protocol is the one that existing clients speak: its descriptors are
// written out in the format of wire_table.txt and must give the same lines, no more and no less.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "proto/compiler_gym_service.pb.h"

namespace holdfast {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using Lines = std::vector<std::string>;

constexpr char kTable[] = "tests/proto/wire_table.txt";

const FileDescriptor& Protocol() { return *compiler_gym::Event::descriptor()->file(); }

// The lines of the table, without comments and empty lines.
Lines ReadTable() {
  Lines lines;
  std::ifstream table(kTable);
  EXPECT_TRUE(table.is_open()) << kTable;
  for (std::string line; std::getline(table, line);) {
    if (!line.empty() && line[0] != '#') lines.push_back(line);
  }
  return lines;
}

// The name of a message or enum, without the package if it is the protocol's own.
template <typename Type>
std::string NameOf(const Type& type) {
  const std::string package = Protocol().package() + ".";
  const std::string& name = type.full_name();
  return name.compare(0, package.size(), package) == 0 ? name.substr(package.size()) : name;
}

std::string TypeOf(const FieldDescriptor& field) {
  if (field.is_map()) {
    const Descriptor& entry = *field.message_type();
    return TypeOf(*entry.map_key()) + "," + TypeOf(*entry.map_value());
  }
  if (field.message_type() != nullptr) return NameOf(*field.message_type());
  if (field.enum_type() != nullptr) return NameOf(*field.enum_type());
  return field.type_name();
}

std::string LabelOf(const FieldDescriptor& field) {
  if (field.is_map()) return "map";
  if (field.is_required()) return "required";
  if (!field.is_repeated()) return "-";
  // Packing is the default; without it the bytes differ.
  return field.is_packable() && !field.is_packed() ? "repeated-unpacked" : "repeated";
}

std::string LineOf(const FieldDescriptor& field) {
  // A field that is declared `optional` is in a oneof of its own, which shows here too.
  const auto* oneof = field.containing_oneof();
  return NameOf(*field.containing_type()) + " " + std::to_string(field.number()) + " " +
         LabelOf(field) + " " + TypeOf(field) + " " + field.name() + " " +
         (oneof == nullptr ? "-" : oneof->name());
}

std::string LineOf(const MethodDescriptor& method) {
  return "method " + method.service()->name() + " " + method.name() + " " +
         (method.client_streaming() ? "stream " : "") + NameOf(*method.input_type()) + " " +
         (method.server_streaming() ? "stream " : "") + NameOf(*method.output_type());
}

void Describe(const Descriptor& message, Lines* lines) {
  const std::string name = NameOf(message);
  if (message.field_count() == 0) lines->push_back("empty " + name);
  for (int i = 0; i < message.field_count(); ++i) lines->push_back(LineOf(*message.field(i)));
  for (int i = 0; i < message.reserved_range_count(); ++i) {
    const Descriptor::ReservedRange& range = *message.reserved_range(i);  // `end` is excluded.
    const std::string last = range.end - range.start > 1 ? "-" + std::to_string(range.end - 1) : "";
    lines->push_back("reserved " + name + " " + std::to_string(range.start) + last);
  }
  for (int i = 0; i < message.reserved_name_count(); ++i) {
    lines->push_back("reserved " + name + " " + message.reserved_name(i));
  }
  for (int i = 0; i < message.enum_type_count(); ++i) {
    lines->push_back("enum " + NameOf(*message.enum_type(i)));
  }
  for (int i = 0; i < message.nested_type_count(); ++i) {
    const Descriptor& nested = *message.nested_type(i);
    if (!nested.options().map_entry()) Describe(nested, lines);
  }
}

Lines Describe(const FileDescriptor& file) {
  Lines lines;
  for (int i = 0; i < file.message_type_count(); ++i) Describe(*file.message_type(i), &lines);
  for (int i = 0; i < file.enum_type_count(); ++i) {
    lines.push_back("enum " + NameOf(*file.enum_type(i)));
  }
  for (int i = 0; i < file.service_count(); ++i) {
    const ServiceDescriptor& service = *file.service(i);
    for (int j = 0; j < service.method_count(); ++j) lines.push_back(LineOf(*service.method(j)));
  }
  return lines;
}

// The lines of `a` that are not in `b`, counted as often as they occur.
Lines Difference(Lines a, Lines b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  Lines difference;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(difference));
  return difference;
}

TEST(WireIdentityTest, FileIsThePublicProtocol) {
  EXPECT_EQ(Protocol().package(), "compiler_gym");
  EXPECT_EQ(Protocol().syntax(), FileDescriptor::SYNTAX_PROTO3);
  EXPECT_TRUE(Protocol().options().cc_enable_arenas());
  ASSERT_EQ(Protocol().dependency_count(), 1);
  EXPECT_EQ(Protocol().dependency(0)->name(), "google/protobuf/any.proto");
  ASSERT_EQ(Protocol().service_count(), 1);
  EXPECT_EQ(Protocol().service(0)->full_name(), "compiler_gym.CompilerGymService");
}

TEST(WireIdentityTest, DescriptorsEqualTheTable) {
  const Lines expected = ReadTable();
  const Lines actual = Describe(Protocol());
  EXPECT_THAT(Difference(expected, actual), testing::IsEmpty()) << "Missing in the protocol.";
  EXPECT_THAT(Difference(actual, expected), testing::IsEmpty()) << "Not in the table.";
}

}  // namespace
}  // namespace holdfast
