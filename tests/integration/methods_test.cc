// The eight methods, through a real client, on the example worker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using compiler_gym::CompilerGymService;
using grpc::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kExampleWorker[] = "worker/example/example_worker";

// Of the example worker.
enum Pass { kFold, kFoldMoves, kClean, kExpand };
enum ActionSpaceIndex { kPass, kPipeline };
enum ObservationIndex { kText, kSize, kFeatures, kRunTime };

constexpr char kUri[] = "benchmark://example-v0/program";

struct Flavour {
  const char* name;
  const char* binary;
  const char* worker;  // The worker binary it is told; null: it is one itself.
};

template <typename Request, typename Reply>
grpc::Status Call(CompilerGymService::Stub* stub,
                  grpc::Status (CompilerGymService::Stub::*method)(grpc::ClientContext*,
                                                                   const Request&, Reply*),
                  const Request& request, Reply* reply) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  return (stub->*method)(&context, request, reply);
}

compiler_gym::Benchmark MakeBenchmark(const std::string& uri, const std::string& program) {
  compiler_gym::Benchmark benchmark;
  benchmark.set_uri(uri);
  benchmark.mutable_program()->set_contents(program);
  return benchmark;
}

std::string ToText(const grpc::Status& status) {
  return absl::StrCat("code ", static_cast<int>(status.error_code()), ": ", status.error_message());
}

#define EXPECT_OK(expression)                             \
  do {                                                    \
    const grpc::Status expected_ok = (expression);        \
    EXPECT_TRUE(expected_ok.ok()) << ToText(expected_ok); \
  } while (false)

#define EXPECT_FAILS(expression, code, message)                 \
  do {                                                          \
    const grpc::Status expected_failure = (expression);         \
    EXPECT_EQ(expected_failure.error_code(), StatusCode::code); \
    EXPECT_THAT(expected_failure.error_message(), message);     \
  } while (false)

std::vector<std::string> WorkerFlag(const char* worker) {
  if (worker == nullptr) return {};
  return {absl::StrCat("--worker=", RunfilePath(worker))};
}

class MethodsTest : public testing::TestWithParam<Flavour> {
 protected:
  MethodsTest() : service_(GetParam().binary, WorkerFlag(GetParam().worker)) {}

  grpc::Status Add(const std::vector<compiler_gym::Benchmark>& benchmarks) {
    compiler_gym::AddBenchmarkRequest request;
    for (const auto& benchmark : benchmarks) *request.add_benchmark() = benchmark;
    compiler_gym::AddBenchmarkReply reply;
    return Call(client_.get(), &CompilerGymService::Stub::AddBenchmark, request, &reply);
  }
  grpc::Status Start(const compiler_gym::StartSessionRequest& request,
                     compiler_gym::StartSessionReply* reply) {
    return Call(client_.get(), &CompilerGymService::Stub::StartSession, request, reply);
  }
  // On the benchmark of that name, which the service must know.
  grpc::Status Start(const std::string& uri) {
    compiler_gym::StartSessionRequest request;
    request.mutable_benchmark()->set_uri(uri);
    compiler_gym::StartSessionReply reply;
    return Start(request, &reply);
  }
  compiler_gym::GetSpacesReply GetSpaces() {
    compiler_gym::GetSpacesReply reply;
    EXPECT_OK(Call(client_.get(), &CompilerGymService::Stub::GetSpaces,
                   compiler_gym::GetSpacesRequest(), &reply));
    return reply;
  }
  TestSession NewSession(const std::string& program, int action_space = kPass) {
    return TestSession(service_, kUri, program, action_space);
  }
  static std::string Text(TestSession* session) { return session->Observe(kText).string_value(); }
  compiler_gym::StepReply Step(TestSession* session, const std::vector<int64_t>& actions,
                               const std::vector<int>& observations = {}) {
    compiler_gym::StepReply reply;
    EXPECT_OK(session->Step(actions, observations, &reply));
    return reply;
  }

  ServiceProcess service_;
  std::unique_ptr<CompilerGymService::Stub> client_ = service_.NewClient();
};

INSTANTIATE_TEST_SUITE_P(
    , MethodsTest,
    testing::Values(Flavour{"WorkerBinaryAlone", kExampleWorker, nullptr},
                    Flavour{"HoldfastWithWorker", "frontend/holdfast", kExampleWorker}),
    [](const testing::TestParamInfo<Flavour>& info) { return info.param.name; });

// ---- GetVersion, GetSpaces ----

TEST_P(MethodsTest, VersionNamesServiceAndCompiler) {
  compiler_gym::GetVersionReply reply;
  EXPECT_OK(Call(client_.get(), &CompilerGymService::Stub::GetVersion,
                 compiler_gym::GetVersionRequest(), &reply));
  EXPECT_FALSE(reply.service_version().empty());
  EXPECT_EQ(reply.compiler_version(), "example 1.0");
}

TEST_P(MethodsTest, SpacesAreThoseOfTheSessionInItsOrder) {
  const compiler_gym::GetSpacesReply spaces = GetSpaces();
  ASSERT_EQ(spaces.action_space_list_size(), 2);
  EXPECT_EQ(spaces.action_space_list(kPass).name(), "pass");
  EXPECT_THAT(spaces.action_space_list(kPass).space().named_discrete().name(),
              ElementsAre("fold", "fold-moves", "clean", "expand"));
  EXPECT_EQ(spaces.action_space_list(kPipeline).name(), "pipeline");
  std::vector<std::string> names;
  for (const auto& space : spaces.observation_space_list()) names.push_back(space.name());
  EXPECT_THAT(names, ElementsAre("text", "size", "features", "run_time"));
  EXPECT_EQ(
      spaces.observation_space_list(kFeatures).default_observation().int64_tensor().value_size(),
      6);
}

// ---- AddBenchmark ----

TEST_P(MethodsTest, AddBenchmarkTakesSeveralAtOnce) {
  EXPECT_OK(Add({MakeBenchmark("benchmark://a", "+"), MakeBenchmark("benchmark://b", "-")}));
  EXPECT_OK(Start("benchmark://a"));
  EXPECT_OK(Start("benchmark://b"));
}

TEST_P(MethodsTest, AddBenchmarkTakesAnEmptyList) { EXPECT_OK(Add({})); }

TEST_P(MethodsTest, AddBenchmarkReplacesTheProgramOfAUri) {
  TestSession first = NewSession("+");
  TestSession second = NewSession("--");
  EXPECT_EQ(Text(&second), "--");
  EXPECT_EQ(Text(&first), "+");
}

TEST_P(MethodsTest, AddBenchmarkTakesTheLastOfEqualUris) {
  EXPECT_OK(Add({MakeBenchmark(kUri, "+"), MakeBenchmark(kUri, "--")}));
  int64_t id = 0;
  EXPECT_OK(StartSession(client_.get(), kUri, kPass, &id));
  TestSession session(service_, id);
  EXPECT_EQ(Text(&session), "--");
}

TEST_P(MethodsTest, AddBenchmarkNamesTheElementWithoutUriAndAddsNone) {
  EXPECT_FAILS(Add({MakeBenchmark("benchmark://a", "+"), MakeBenchmark("", "-")}), INVALID_ARGUMENT,
               HasSubstr("benchmark[1].uri"));
  EXPECT_FAILS(Start("benchmark://a"), NOT_FOUND, StartsWith("Benchmark not found"));
}

TEST_P(MethodsTest, AddBenchmarkNamesTheElementWithoutProgram) {
  compiler_gym::Benchmark benchmark;
  benchmark.set_uri(kUri);
  EXPECT_FAILS(Add({benchmark}), INVALID_ARGUMENT,
               AllOf(HasSubstr("benchmark[0].program"), HasSubstr(kUri)));
}

// ---- StartSession ----

TEST_P(MethodsTest, StartGivesObservationsInTheOrderOfTheRequestWithRepetitions) {
  EXPECT_OK(Add({MakeBenchmark(kUri, "+-T")}));
  compiler_gym::StartSessionRequest request;
  request.mutable_benchmark()->set_uri(kUri);
  for (const int index : {kSize, kText, kSize, kFeatures}) request.add_observation_space(index);
  compiler_gym::StartSessionReply reply;
  EXPECT_OK(Start(request, &reply));
  EXPECT_GT(reply.session_id(), 0);
  ASSERT_EQ(reply.observation_size(), 4);
  EXPECT_EQ(reply.observation(0).int64_value(), 3);
  EXPECT_EQ(reply.observation(1).string_value(), "+-T");
  EXPECT_EQ(reply.observation(2).int64_value(), 3);
  EXPECT_THAT(reply.observation(3).int64_tensor().value(), ElementsAre(1, 1, 0, 0, 0, 1));
}

TEST_P(MethodsTest, StartOnAnUnknownBenchmarkIsNotFound) {
  EXPECT_FAILS(Start("benchmark://unknown"), NOT_FOUND, StartsWith("Benchmark not found"));
}

TEST_P(MethodsTest, StartAddsAProgramThatIsBroughtAlong) {
  compiler_gym::StartSessionRequest request;
  *request.mutable_benchmark() = MakeBenchmark(kUri, "+-");
  compiler_gym::StartSessionReply reply;
  EXPECT_OK(Start(request, &reply));
  TestSession session(service_, reply.session_id());
  EXPECT_EQ(Text(&session), "+-");
  EXPECT_OK(Start(kUri));
}

TEST_P(MethodsTest, StartNamesTheFieldThatIsWrong) {
  EXPECT_OK(Add({MakeBenchmark(kUri, "+")}));
  compiler_gym::StartSessionRequest request;
  compiler_gym::StartSessionReply reply;
  EXPECT_FAILS(Start(request, &reply), INVALID_ARGUMENT, HasSubstr("benchmark.uri"));
  request.mutable_benchmark()->set_uri(kUri);
  for (const int bad : {-1, 2}) {
    request.set_action_space(bad);
    EXPECT_FAILS(Start(request, &reply), INVALID_ARGUMENT, HasSubstr("action_space"));
  }
  request.set_action_space(kPipeline);
  for (const int bad : {-1, 4}) {
    request.clear_observation_space();
    request.add_observation_space(kText);
    request.add_observation_space(bad);
    EXPECT_FAILS(Start(request, &reply), INVALID_ARGUMENT, HasSubstr("observation_space"));
  }
}

TEST_P(MethodsTest, StartOnABadProgramIsTheSessionsErrorAndLeavesNoSession) {
  EXPECT_OK(Add({MakeBenchmark(kUri, "+?")}));
  EXPECT_FAILS(Start(kUri), INVALID_ARGUMENT, HasSubstr("no instruction at offset 1"));
  EXPECT_EQ(NewSession("+").End(), 0);
}

// ---- Step ----

TEST_P(MethodsTest, StepWithoutActionsHasNoEffectAndObserves) {
  TestSession session = NewSession("+-+");
  const compiler_gym::StepReply reply = Step(&session, {}, {kText, kSize, kText});
  EXPECT_TRUE(reply.action_had_no_effect());
  EXPECT_FALSE(reply.end_of_session());
  EXPECT_FALSE(reply.has_new_action_space());
  ASSERT_EQ(reply.observation_size(), 3);
  EXPECT_EQ(reply.observation(0).string_value(), "+-+");
  EXPECT_EQ(reply.observation(1).int64_value(), 3);
  EXPECT_EQ(reply.observation(2).string_value(), "+-+");
}

TEST_P(MethodsTest, StepAppliesSeveralActionsInOrder) {
  // Folding first would leave "+-", and the other order leaves "".
  TestSession session = NewSession("+.-<");
  EXPECT_EQ(Step(&session, {kFold, kClean}, {kText}).observation(0).string_value(), "+-<");
  TestSession other = NewSession("+.-<");
  EXPECT_EQ(Step(&other, {kClean, kFold}, {kText}).observation(0).string_value(), "<");
}

TEST_P(MethodsTest, StepHadNoEffectOnlyIfNoActionHadOne) {
  TestSession session = NewSession("+.+");
  EXPECT_TRUE(Step(&session, {kFold, kFoldMoves}).action_had_no_effect());
  EXPECT_FALSE(Step(&session, {kFold, kClean, kFold}).action_had_no_effect());
  EXPECT_TRUE(Step(&session, {kClean}).action_had_no_effect());
}

TEST_P(MethodsTest, StepTellsANewActionSpaceOnlyWhenItChanges) {
  TestSession session = NewSession("T+");
  EXPECT_FALSE(Step(&session, {kClean}).has_new_action_space());
  const compiler_gym::StepReply reply = Step(&session, {kExpand}, {kText});
  EXPECT_THAT(reply.new_action_space().space().named_discrete().name(),
              ElementsAre("fold", "fold-moves", "clean"));
  EXPECT_EQ(reply.observation(0).string_value(), "++++");
  EXPECT_FALSE(Step(&session, {kClean}).has_new_action_space());
  EXPECT_FAILS(session.Step({kExpand}), INVALID_ARGUMENT, HasSubstr("action[0]"));
  EXPECT_EQ(Text(&session), "++++");
}

TEST_P(MethodsTest, StepStopsAtTheActionThatEndsTheSession) {
  TestSession session = NewSession(".+-");
  const compiler_gym::StepReply reply = Step(&session, {kFold, kClean, kExpand}, {kText});
  EXPECT_TRUE(reply.end_of_session());
  EXPECT_FALSE(reply.has_new_action_space()) << "the action after the end was applied";
  EXPECT_EQ(reply.observation(0).string_value(), "");
  EXPECT_EQ(session.End(), 0);
}

TEST_P(MethodsTest, StepGivesAnEventWithoutValueForAnObservationThatIsNotAvailable) {
  TestSession session = NewSession("<<+");  // Leaves the tape.
  const compiler_gym::StepReply reply = Step(&session, {}, {kRunTime, kSize});
  ASSERT_EQ(reply.observation_size(), 2);
  EXPECT_EQ(reply.observation(0).value_case(), compiler_gym::Event::VALUE_NOT_SET);
  EXPECT_EQ(reply.observation(1).int64_value(), 3);
}

TEST_P(MethodsTest, StepInAnActionSpaceOfStrings) {
  TestSession session = NewSession("+.-<", kPipeline);
  compiler_gym::StepRequest request;
  request.set_session_id(session.id());
  request.add_action()->set_string_value("clean,fold");
  request.add_observation_space(kText);
  compiler_gym::StepReply reply;
  EXPECT_OK(Call(client_.get(), &CompilerGymService::Stub::Step, request, &reply));
  EXPECT_EQ(reply.observation(0).string_value(), "<");
  request.mutable_action(0)->set_string_value("vectorise");
  EXPECT_FAILS(Call(client_.get(), &CompilerGymService::Stub::Step, request, &reply),
               INVALID_ARGUMENT, HasSubstr("vectorise"));
  EXPECT_EQ(Text(&session), "<");
}

TEST_P(MethodsTest, StepWithABadFieldAppliesNothing) {
  TestSession session = NewSession("+-.<");
  EXPECT_FAILS(session.Step({kFold, 4}), INVALID_ARGUMENT, HasSubstr("action[1]"));
  EXPECT_FAILS(session.Step({kFold, -1}), INVALID_ARGUMENT, HasSubstr("action[1]"));
  EXPECT_FAILS(session.Step({kFold}, {kText, 4}), INVALID_ARGUMENT, HasSubstr("observation_space"));
  compiler_gym::StepRequest request;
  request.set_session_id(session.id());
  request.add_action()->set_string_value("fold");
  compiler_gym::StepReply reply;
  EXPECT_FAILS(Call(client_.get(), &CompilerGymService::Stub::Step, request, &reply),
               INVALID_ARGUMENT, HasSubstr("action[0]"));
  EXPECT_EQ(Text(&session), "+-.<");
}

TEST_P(MethodsTest, CallsOnAnUnknownSessionAreNotFoundInTheWordsThatClientsKnow) {
  TestSession session(service_, 42);
  EXPECT_FAILS(session.Step({kFold}), NOT_FOUND, StartsWith("Session not found: 42"));
  EXPECT_FAILS(session.SendParameter("a", "b"), NOT_FOUND, StartsWith("Session not found: 42"));
  compiler_gym::ForkSessionRequest request;
  request.set_session_id(42);
  compiler_gym::ForkSessionReply reply;
  EXPECT_FAILS(Call(client_.get(), &CompilerGymService::Stub::ForkSession, request, &reply),
               NOT_FOUND, StartsWith("Session not found: 42"));
  EXPECT_EQ(session.End(), 0);
}

// ---- ForkSession ----

TEST_P(MethodsTest, ForkIsEqualAtTheMomentAndIndependentAfterwards) {
  TestSession parent = NewSession("+.-T<>");
  Step(&parent, {kClean});
  TestSession child = parent.Fork();
  EXPECT_NE(child.id(), parent.id());
  EXPECT_EQ(Text(&child), "+-T<>");
  Step(&child, {kFold});
  Step(&parent, {kFoldMoves});
  EXPECT_EQ(Text(&child), "T<>");
  EXPECT_EQ(Text(&parent), "+-T");
}

TEST_P(MethodsTest, ForkHasTheParentsParametersAndActionSpace) {
  TestSession parent = NewSession("+-+-T");
  EXPECT_OK(parent.SendParameter("example.max_rewrites", "1"));
  Step(&parent, {kExpand});
  TestSession child = parent.Fork();
  EXPECT_EQ(Step(&child, {kFold}, {kText}).observation(0).string_value(), "+-+++");
  EXPECT_FAILS(child.Step({kExpand}), INVALID_ARGUMENT, HasSubstr("action[0]"));
}

TEST_P(MethodsTest, ForkOfAForkOutlivesItsAncestors) {
  TestSession parent = NewSession("+.-<>");
  Step(&parent, {kClean});
  TestSession child = parent.Fork();
  EXPECT_EQ(parent.End(), 1);
  Step(&child, {kFold});
  TestSession grandchild = child.Fork();
  EXPECT_EQ(child.End(), 1);
  EXPECT_EQ(Text(&grandchild), "<>");
  EXPECT_TRUE(Step(&grandchild, {kFoldMoves}).end_of_session());
  EXPECT_EQ(grandchild.End(), 0);
}

// ---- EndSession ----

TEST_P(MethodsTest, EndCountsTheSessionsThatRemainAndKnowsNoError) {
  TestSession first = NewSession("+");
  TestSession second = NewSession("+");
  TestSession third = second.Fork();
  EXPECT_EQ(first.End(), 2);
  EXPECT_EQ(first.End(), 2);
  EXPECT_EQ(second.End(), 1);
  EXPECT_EQ(third.End(), 0);
  EXPECT_FAILS(third.Step({}), NOT_FOUND, StartsWith("Session not found"));
}

// ---- SendSessionParameter ----

TEST_P(MethodsTest, ParametersOfTheSessionAreAnsweredByIt) {
  TestSession session = NewSession("+-+-");
  std::string reply;
  EXPECT_OK(session.SendParameter("example.max_rewrites", "1", &reply));
  EXPECT_EQ(reply, "1");
  EXPECT_OK(session.SendParameter("example.get_max_rewrites", "", &reply));
  EXPECT_EQ(reply, "1");
  EXPECT_EQ(Step(&session, {kFold}, {kText}).observation(0).string_value(), "+-");
  EXPECT_FAILS(session.SendParameter("example.max_rewrites", "many"), INVALID_ARGUMENT,
               HasSubstr("example.max_rewrites"));
}

TEST_P(MethodsTest, ParametersOfTheBenchmarkCacheAreTheServices) {
  TestSession session = NewSession("+-");
  const std::string prefix = "service.benchmark_cache.";
  std::string reply;
  EXPECT_OK(session.SendParameter(prefix + "get_size_in_bytes", "", &reply));
  EXPECT_EQ(reply, absl::StrCat(MakeBenchmark(kUri, "+-").ByteSizeLong()));
  EXPECT_OK(session.SendParameter(prefix + "get_max_size_in_bytes", "", &reply));
  EXPECT_EQ(reply, "54525952");
  EXPECT_OK(session.SendParameter(prefix + "set_max_size_in_bytes", "1000", &reply));
  EXPECT_EQ(reply, "1000");
  EXPECT_OK(session.SendParameter(prefix + "get_max_size_in_bytes", "", &reply));
  EXPECT_EQ(reply, "1000");
  for (const char* bad : {"", "-1", "1.5", "much", "99999999999999999999"}) {
    EXPECT_FAILS(session.SendParameter(prefix + "set_max_size_in_bytes", bad), INVALID_ARGUMENT,
                 HasSubstr("set_max_size_in_bytes"));
  }
  EXPECT_OK(session.SendParameter(prefix + "set_max_size_in_bytes", "0"));
  EXPECT_OK(session.SendParameter(prefix + "get_size_in_bytes", "", &reply));
  EXPECT_EQ(reply, "0") << "lowering the limit did not evict";
}

TEST_P(MethodsTest, UnknownParameterIsNamed) {
  TestSession session = NewSession("+");
  for (const char* key : {"no.such.key", "service.benchmark_cache.no_such_key", ""}) {
    EXPECT_FAILS(session.SendParameter(key, "1"), INVALID_ARGUMENT,
                 StartsWith(absl::StrCat("Unknown parameter: ", key)));
  }
}

TEST_P(MethodsTest, SeveralParametersAreAnsweredInOrder) {
  TestSession session = NewSession("+");
  compiler_gym::SendSessionParameterRequest request;
  request.set_session_id(session.id());
  for (const char* key :
       {"example.get_max_rewrites", "service.benchmark_cache.get_max_size_in_bytes",
        "example.get_max_rewrites"}) {
    request.add_parameter()->set_key(key);
  }
  compiler_gym::SendSessionParameterReply reply;
  EXPECT_OK(Call(client_.get(), &CompilerGymService::Stub::SendSessionParameter, request, &reply));
  EXPECT_THAT(reply.reply(), ElementsAre("1000", "54525952", "1000"));
}

}  // namespace
}  // namespace holdfast
