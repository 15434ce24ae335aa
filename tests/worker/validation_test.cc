#include "worker/validation.h"

#include <gtest/gtest.h>

#include <cmath>

namespace holdfast {
namespace {

using compiler_gym::Event;
using compiler_gym::Space;

Event Int(int64_t value) {
  Event event;
  event.set_int64_value(value);
  return event;
}
Event Double(double value) {
  Event event;
  event.set_double_value(value);
  return event;
}
Event String(const std::string& value) {
  Event event;
  event.set_string_value(value);
  return event;
}

std::string Complaint(const Space& space, const Event& action) {
  return std::string(CheckAction("action[0]", space, action).message());
}

TEST(ValidationTest, DiscreteSpaces) {
  Space discrete;
  discrete.mutable_discrete()->set_n(3);
  Space named;
  for (const char* name : {"a", "b", "c"}) named.mutable_named_discrete()->add_name(name);
  compiler_gym::CommandlineSpace flags;
  for (const char* name : {"-a", "-b", "-c"}) flags.add_name(name);
  Space commandline;
  commandline.mutable_any_value()->PackFrom(flags);
  for (const Space& space : {discrete, named, commandline}) {
    EXPECT_EQ(Complaint(space, Int(0)), "");
    EXPECT_EQ(Complaint(space, Int(2)), "");
    EXPECT_EQ(Complaint(space, Int(3)), "action[0].int64_value is 3, must be in [0, 2]");
    EXPECT_EQ(Complaint(space, Int(-1)), "action[0].int64_value is -1, must be in [0, 2]");
    EXPECT_EQ(Complaint(space, String("a")), "action[0] has string_value, must have int64_value");
    EXPECT_EQ(Complaint(space, Event()), "action[0] has no value, must have int64_value");
  }
}

TEST(ValidationTest, Ranges) {
  Space space;
  space.mutable_int64_value()->set_min(-5);
  EXPECT_EQ(Complaint(space, Int(-5)), "");
  EXPECT_EQ(Complaint(space, Int(INT64_MAX)), "");
  EXPECT_NE(Complaint(space, Int(-6)), "");
  space.mutable_double_value()->set_max(0.5);
  EXPECT_EQ(Complaint(space, Double(-1e300)), "");
  EXPECT_EQ(Complaint(space, Double(0.5)), "");
  EXPECT_NE(Complaint(space, Double(0.6)), "");
  EXPECT_NE(Complaint(space, Double(std::nan(""))), "");
  EXPECT_NE(Complaint(space, Int(0)), "");
  space.mutable_boolean_value()->set_min(true);
  Event event;
  event.set_boolean_value(false);
  EXPECT_NE(Complaint(space, event), "");
  event.set_boolean_value(true);
  EXPECT_EQ(Complaint(space, event), "");
}

TEST(ValidationTest, StringsByLength) {
  Space space;
  space.mutable_string_value()->mutable_length_range()->set_min(1);
  space.mutable_string_value()->mutable_length_range()->set_max(3);
  EXPECT_EQ(Complaint(space, String("abc")), "");
  EXPECT_EQ(Complaint(space, String("")), "action[0].string_value: length is 0, must be in [1, 3]");
  EXPECT_NE(Complaint(space, String("abcd")), "");
}

TEST(ValidationTest, OtherSpacesAreTheSessionsToCheck) {
  Space space;
  space.mutable_double_box();
  EXPECT_EQ(Complaint(space, Int(1)), "");
  EXPECT_EQ(Complaint(Space(), Int(1)), "");
}

}  // namespace
}  // namespace holdfast
