// Every observation space, on every benchmark that comes with the worker, in two worker processes:
// the value has the form that the service declares, and one that is said to be deterministic is the
// same in both.
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "tests/integration/llvm_fixture.h"
#include "tests/worker/llvm/event_form.h"
#include "worker/llvm/benchmarks/benchmarks.h"

namespace holdfast {
namespace {

using compiler_gym::Event;
using compiler_gym::ObservationSpace;
using google::protobuf::util::MessageDifferencer;

// What unchanged clients expect of some spaces, and no kind of space declares.
enum class Form {
  kTensors,  // An event_dict of tensors, each of one dimension.
  kJson,     // An Opaque that holds JSON.
  kMayLack,  // As declared, or no value at all.
};
struct Exception {
  const char* space;
  Form form;
};
constexpr Exception kExceptions[] = {
    {"LexedIr", Form::kTensors},   {"CpuInfo", Form::kJson},    {"Programl", Form::kJson},
    {"ProgramlJson", Form::kJson}, {"Runtime", Form::kMayLack}, {"Buildtime", Form::kMayLack},
};

absl::Status CheckTensors(const Event& event) {
  if (!event.has_event_dict()) return absl::InvalidArgumentError("there is no event_dict");
  for (const auto& [name, part] : event.event_dict().event()) {
    compiler_gym::Space space;
    if (part.has_int64_tensor()) {
      space.mutable_int64_sequence();
    } else {
      space.mutable_string_sequence();
    }
    if (absl::Status status = CheckForm(space, part); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckJson(const Event& event) {
  compiler_gym::Opaque opaque;
  if (!event.any_value().UnpackTo(&opaque)) return absl::InvalidArgumentError("it is not Opaque");
  if (!absl::StartsWith(opaque.format(), "json://") || !absl::StartsWith(opaque.data(), "{")) {
    return absl::InvalidArgumentError("it is no object in JSON");
  }
  return absl::OkStatus();
}

absl::Status CheckObservation(const ObservationSpace& space, const Event& event) {
  for (const Exception& exception : kExceptions) {
    if (space.name() != exception.space) continue;
    if (exception.form == Form::kTensors) return CheckTensors(event);
    if (exception.form == Form::kJson) return CheckJson(event);
    if (event.value_case() == Event::VALUE_NOT_SET) return absl::OkStatus();
  }
  return CheckForm(space.space(), event);
}

class ObservationWalk : public LlvmTest {
 protected:
  ObservationWalk() : LlvmTest({"--allow_benchmark_commands"}) {
    compiler_gym::GetSpacesReply reply;
    grpc::ClientContext context;
    EXPECT_TRUE(service_.NewClient()->GetSpaces(&context, {}, &reply).ok());
    spaces_.assign(reply.observation_space_list().begin(), reply.observation_space_list().end());
  }

  TestSession Start(const std::string& uri) {
    int64_t id = 0;
    const grpc::Status started =
        StartSession(service_.NewClient().get(), uri, action_spaces_.at("passes"), &id);
    EXPECT_TRUE(started.ok()) << started.error_message();
    return TestSession(service_, id);
  }

  void ExpectAllAreAsDeclared(TestSession* one, TestSession* other) {
    for (size_t i = 0; i < spaces_.size(); ++i) {
      SCOPED_TRACE(spaces_[i].name());
      const Event event = one->Observe(static_cast<int>(i));
      const Event again = other->Observe(static_cast<int>(i));
      for (const Event* observed : {&event, &again}) {
        const absl::Status status = CheckObservation(spaces_[i], *observed);
        EXPECT_TRUE(status.ok()) << status;
      }
      if (spaces_[i].deterministic()) {
        EXPECT_TRUE(MessageDifferencer::Equals(event, again));
      }
    }
  }

  std::vector<ObservationSpace> spaces_;
};

TEST_F(ObservationWalk, DefaultsHaveTheFormOfAnObservation) {
  ASSERT_FALSE(spaces_.empty());
  for (const ObservationSpace& space : spaces_) {
    const absl::Status status = CheckObservation(space, space.default_observation());
    EXPECT_TRUE(status.ok()) << space.name() << ": " << status;
  }
}

class ObservationWalkOn : public ObservationWalk,
                          public testing::WithParamInterface<std::string> {};

TEST_P(ObservationWalkOn, EveryValueIsAsDeclaredAndDeterministic) {
  TestSession one = Start(GetParam());
  TestSession other = Start(GetParam());
  ASSERT_GE(service_.workers().size(), 2u) << "of each session one, and those that wait";
  ExpectAllAreAsDeclared(&one, &other);
  const std::vector<int64_t> actions = {Action("passes", "sroa"), Action("passes", "inline"),
                                        Action("passes", "simplifycfg")};
  ASSERT_TRUE(one.Step(actions).ok());
  ASSERT_TRUE(other.Step(actions).ok());
  ExpectAllAreAsDeclared(&one, &other);
  one.End();
  other.End();
}

// All that come with the worker, but for those of llvm-stress: they have no target, and so no
// object code to measure.
std::vector<std::string> Benchmarks() {
  std::vector<std::string> uris;
  for (const std::string& uri : llvm_session::BenchmarkUris()) {
    if (absl::StrContains(uri, "llvm-stress")) continue;
    uris.push_back(absl::StrReplaceAll(uri, {{"SEED", "4"}}));
  }
  return uris;
}

INSTANTIATE_TEST_SUITE_P(All, ObservationWalkOn, testing::ValuesIn(Benchmarks()));

}  // namespace
}  // namespace holdfast
