// The example session, hook by hook and in process; and that a replay of its history is exact.
#include "worker/example/example_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "worker/session_host.h"

namespace holdfast {
namespace {

using compiler_gym::Event;
using testing::ElementsAre;
using testing::IsEmpty;

// Indices into the action space "pass".
enum Pass { kFold, kFoldMoves, kClean, kExpand };

Event PassAction(int pass) {
  Event action;
  action.set_int64_value(pass);
  return action;
}

Event PipelineAction(const std::string& names) {
  Event action;
  action.set_string_value(names);
  return action;
}

std::unique_ptr<CompilationSession> MakeSession() {
  return SessionTypeOf<ExampleSession>().create(SessionContext());
}

absl::Status Start(CompilationSession& session, const std::string& program,
                   int action_space = ExampleSession::kPass) {
  compiler_gym::Benchmark benchmark;
  benchmark.mutable_program()->set_contents(program);
  return session.Init(action_space, benchmark);
}

// A step as the runtime makes it. Every action must succeed.
ActionResult Step(CompilationSession& session, const std::vector<Event>& actions) {
  ActionResult last;
  bool had_no_effect = true;
  for (const Event& action : actions) {
    absl::StatusOr<ActionResult> result = session.ApplyAction(action);
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return last;
    last = *result;
    had_no_effect = had_no_effect && result->had_no_effect;
  }
  EXPECT_TRUE(session.EndOfStep(had_no_effect).ok());
  return last;
}

Event Observe(CompilationSession& session, int space) {
  absl::StatusOr<Event> event = session.ComputeObservation(space);
  EXPECT_TRUE(event.ok()) << event.status();
  return event.ok() ? *event : Event();
}

std::string Text(CompilationSession& session) {
  return Observe(session, ExampleSession::kText).string_value();
}

std::vector<int64_t> Features(CompilationSession& session) {
  const Event event = Observe(session, ExampleSession::kFeatures);
  return {event.int64_tensor().value().begin(), event.int64_tensor().value().end()};
}

class ExampleSessionTest : public testing::Test {
 protected:
  std::unique_ptr<CompilationSession> session_ = MakeSession();
};

TEST_F(ExampleSessionTest, DescribesItsSpaces) {
  const SessionType type = SessionTypeOf<ExampleSession>();
  EXPECT_EQ(type.compiler_version, "example 1.0");
  ASSERT_EQ(type.action_spaces.size(), 2);
  EXPECT_THAT(type.action_spaces[ExampleSession::kPass].space().named_discrete().name(),
              ElementsAre("fold", "fold-moves", "clean", "expand"));
  EXPECT_TRUE(type.action_spaces[ExampleSession::kPipeline].space().has_string_value());
  ASSERT_EQ(type.observation_spaces.size(), 4);
  for (int i = 0; i < 4; ++i) {
    const compiler_gym::ObservationSpace& space = type.observation_spaces[i];
    EXPECT_NE(space.space().value_case(), compiler_gym::Space::VALUE_NOT_SET) << space.name();
    EXPECT_NE(space.default_observation().value_case(), Event::VALUE_NOT_SET) << space.name();
    EXPECT_EQ(space.deterministic(), i != ExampleSession::kRunTime) << space.name();
  }
}

TEST_F(ExampleSessionTest, DefaultObservationHasTheFormOfARealOne) {
  ASSERT_TRUE(Start(*session_, "+T").ok());
  for (int i = 0; i < 4; ++i) {
    const Event by_default = ExampleSession::ObservationSpaces()[i].default_observation();
    const Event real = Observe(*session_, i);
    EXPECT_EQ(by_default.value_case(), real.value_case());
    EXPECT_EQ(by_default.int64_tensor().value_size(), real.int64_tensor().value_size());
  }
}

TEST_F(ExampleSessionTest, BringsBenchmarksThatAWorkerAloneStartsToo) {
  SessionHost host(SessionTypeOf<ExampleSession>(), SessionContext());
  WorkerAnswer answer;
  compiler_gym::StartSessionRequest start;
  compiler_gym::StartSessionReply started;
  start.mutable_benchmark()->set_uri("benchmark://example-v0/none");
  EXPECT_EQ(
      host.StartSession(start, &started, &answer),
      absl::InvalidArgumentError("the benchmark is \"benchmark://example-v0/none\", must be one of "
                                 "benchmark://example-v0/moves, benchmark://example-v0/triples"));
  start.mutable_benchmark()->set_uri("benchmark://another-v0/triples");
  EXPECT_TRUE(absl::IsNotFound(host.StartSession(start, &started, &answer)));
  MakeBenchmarkRequest make;
  MakeBenchmarkReply made;
  make.set_uri("benchmark://example-v0/triples");
  ASSERT_TRUE(host.MakeBenchmark(make, &made, &answer).ok());
  EXPECT_EQ(made.benchmark().program().contents(), "T-T--T.>T");
  start.mutable_benchmark()->set_uri(make.uri());
  start.add_observation_space(ExampleSession::kText);
  ASSERT_TRUE(host.StartSession(start, &started, &answer).ok());
  EXPECT_EQ(started.observation(0).string_value(), "T-T--T.>T");
  EXPECT_TRUE(absl::IsFailedPrecondition(host.MakeBenchmark(make, &made, &answer)));
}

TEST_F(ExampleSessionTest, InitRefusesAnUnknownInstructionByItsOffset) {
  const absl::Status status = Start(*session_, "+-?");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(status.message(), "offset 2")) << status;
}

TEST_F(ExampleSessionTest, InitIgnoresSpaceAroundTheProgram) {
  ASSERT_TRUE(Start(*session_, " +-\n").ok());
  EXPECT_EQ(Text(*session_), "+-");
}

TEST_F(ExampleSessionTest, PassesRewriteTheProgram) {
  ASSERT_TRUE(Start(*session_, "++-.<>T").ok());
  EXPECT_FALSE(Step(*session_, {PassAction(kFold)}).had_no_effect);
  EXPECT_EQ(Text(*session_), "+.<>T");
  Step(*session_, {PassAction(kFoldMoves), PassAction(kClean)});
  EXPECT_EQ(Text(*session_), "+T");
}

TEST_F(ExampleSessionTest, PassWithNothingToDoSaysSo) {
  ASSERT_TRUE(Start(*session_, "++").ok());
  EXPECT_TRUE(Step(*session_, {PassAction(kClean)}).had_no_effect);
}

TEST_F(ExampleSessionTest, ExpandLeavesTheActionSpace) {
  ASSERT_TRUE(Start(*session_, "T").ok());
  const ActionResult result = Step(*session_, {PassAction(kExpand)});
  ASSERT_TRUE(result.new_action_space.has_value());
  EXPECT_THAT(result.new_action_space->space().named_discrete().name(),
              ElementsAre("fold", "fold-moves", "clean"));
}

TEST_F(ExampleSessionTest, EndsWhenNoInstructionIsLeft) {
  ASSERT_TRUE(Start(*session_, "+.-").ok());
  EXPECT_FALSE(Step(*session_, {PassAction(kFold)}).end_of_session);
  EXPECT_FALSE(Step(*session_, {PassAction(kClean)}).end_of_session);
  EXPECT_TRUE(Step(*session_, {PassAction(kFold)}).end_of_session);
}

TEST_F(ExampleSessionTest, PipelineRunsPassesByName) {
  ASSERT_TRUE(Start(*session_, "+.T", ExampleSession::kPipeline).ok());
  const ActionResult result = Step(*session_, {PipelineAction("clean,expand")});
  EXPECT_FALSE(result.new_action_space.has_value());
  EXPECT_EQ(Text(*session_), "++++");
}

TEST_F(ExampleSessionTest, UnknownPassIsACleanErrorAndChangesNothing) {
  ASSERT_TRUE(Start(*session_, "+.T", ExampleSession::kPipeline).ok());
  const absl::Status status = session_->ApplyAction(PipelineAction("clean,polish")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(IsCleanError(status));
  EXPECT_EQ(Text(*session_), "+.T");
}

TEST_F(ExampleSessionTest, FeaturesCountInstructionsOncePerStep) {
  ASSERT_TRUE(Start(*session_, "++-<.T").ok());
  EXPECT_THAT(Features(*session_), ElementsAre(2, 1, 1, 0, 1, 1));
  ASSERT_TRUE(session_->ApplyAction(PassAction(kClean)).ok());
  EXPECT_THAT(Features(*session_), ElementsAre(2, 1, 1, 0, 1, 1));
  ASSERT_TRUE(session_->EndOfStep(/*had_no_effect=*/false).ok());
  EXPECT_THAT(Features(*session_), ElementsAre(2, 1, 1, 0, 0, 1));
  EXPECT_EQ(Observe(*session_, ExampleSession::kSize).int64_value(), 5);
}

TEST_F(ExampleSessionTest, RunTimeIsUnavailableIfTheProgramCannotRun) {
  ASSERT_TRUE(Start(*session_, "<").ok());
  EXPECT_EQ(Observe(*session_, ExampleSession::kRunTime).value_case(), Event::VALUE_NOT_SET);
  auto other = MakeSession();
  ASSERT_TRUE(Start(*other, "><+").ok());
  EXPECT_EQ(Observe(*other, ExampleSession::kRunTime).value_case(), Event::kDoubleValue);
}

TEST_F(ExampleSessionTest, ParametersSetAndGet) {
  ASSERT_TRUE(Start(*session_, "...").ok());
  const auto set = session_->HandleParameter("example.max_rewrites", "2");
  ASSERT_TRUE(set.ok() && set->has_value());
  EXPECT_EQ((*set)->reply, "2");
  EXPECT_TRUE((*set)->changed_state);
  const auto get = session_->HandleParameter("example.get_max_rewrites", "");
  ASSERT_TRUE(get.ok() && get->has_value());
  EXPECT_EQ((*get)->reply, "2");
  EXPECT_FALSE((*get)->changed_state);
  Step(*session_, {PassAction(kClean)});
  EXPECT_EQ(Text(*session_), ".");
}

TEST_F(ExampleSessionTest, BadParameterValueIsACleanErrorAndAnUnknownKeyNone) {
  ASSERT_TRUE(Start(*session_, "+").ok());
  EXPECT_TRUE(IsCleanError(session_->HandleParameter("example.max_rewrites", "-1").status()));
  EXPECT_TRUE(IsCleanError(session_->HandleParameter("example.max_rewrites", "many").status()));
  const auto unknown = session_->HandleParameter("example.colour", "blue");
  ASSERT_TRUE(unknown.ok());
  EXPECT_FALSE(unknown->has_value());
}

TEST_F(ExampleSessionTest, FingerprintTellsStatesApart) {
  ASSERT_TRUE(Start(*session_, "+.").ok());
  const std::string first = *session_->Fingerprint();
  EXPECT_EQ(first.size(), 16);
  EXPECT_EQ(*session_->Fingerprint(), first);
  Step(*session_, {PassAction(kClean)});
  const std::string second = *session_->Fingerprint();
  EXPECT_NE(second, first);
  ASSERT_TRUE(session_->HandleParameter("example.max_rewrites", "2").ok());
  EXPECT_NE(*session_->Fingerprint(), second);
}

// The promise that recovery rests on: the same benchmark and history give the same state, however
// the actions were split into steps.
TEST_F(ExampleSessionTest, ReplayGivesTheSameState) {
  const std::string program = "+T-..<>T><-+.T-+";
  const std::vector<int> passes = {kFold, kClean, kExpand, kFold, kFoldMoves, kFold};
  ASSERT_TRUE(Start(*session_, program).ok());
  ASSERT_TRUE(session_->HandleParameter("example.max_rewrites", "3").ok());
  std::vector<Event> history;
  for (const int pass : passes) {
    history.push_back(PassAction(pass));
    Step(*session_, {history.back()});
    for (int space = 0; space < 4; ++space) Observe(*session_, space);
  }

  auto replay = MakeSession();
  ASSERT_TRUE(Start(*replay, program).ok());
  ASSERT_TRUE(replay->HandleParameter("example.max_rewrites", "3").ok());
  Step(*replay, history);
  EXPECT_EQ(*replay->Fingerprint(), *session_->Fingerprint());
  EXPECT_EQ(Text(*replay), Text(*session_));
  EXPECT_EQ(Features(*replay), Features(*session_));
  EXPECT_THAT(Text(*replay), Not(IsEmpty()));
}

SessionSnapshot Take(CompilationSession& session) {
  absl::StatusOr<absl::optional<SessionSnapshot>> snapshot = session.Snapshot();
  EXPECT_TRUE(snapshot.ok() && snapshot->has_value()) << snapshot.status();
  return snapshot.ok() && snapshot->has_value() ? **snapshot : SessionSnapshot();
}

// The promise of a snapshot: what comes out of it is, and goes on, like what went into it.
TEST_F(ExampleSessionTest, RestoredSessionGoesOnLikeTheUndisturbed) {
  ASSERT_TRUE(Start(*session_, "+T-..<>T><-+.T-+").ok());
  ASSERT_TRUE(session_->HandleParameter("example.max_rewrites", "2").ok());
  Step(*session_, {PassAction(kClean), PassAction(kExpand)});
  auto restored = MakeSession();
  ASSERT_TRUE(restored->Restore(ExampleSession::kPass, {}, Take(*session_)).ok());
  for (const int pass : {kFold, kClean, kExpand, kFold, kFoldMoves, kFold}) {
    EXPECT_EQ(*restored->Fingerprint(), *session_->Fingerprint());
    EXPECT_EQ(Text(*restored), Text(*session_));
    EXPECT_EQ(Features(*restored), Features(*session_));
    EXPECT_EQ(Step(*restored, {PassAction(pass)}).had_no_effect,
              Step(*session_, {PassAction(pass)}).had_no_effect);
  }
  EXPECT_EQ(Take(*restored).data, Take(*session_).data);
}

TEST_F(ExampleSessionTest, RestoreKeepsTheActionSpaceAndAnEmptyProgram) {
  ASSERT_TRUE(Start(*session_, "+-", ExampleSession::kPipeline).ok());
  EXPECT_TRUE(Step(*session_, {PipelineAction("fold")}).end_of_session);
  auto restored = MakeSession();
  ASSERT_TRUE(restored->Restore(ExampleSession::kPipeline, {}, Take(*session_)).ok());
  EXPECT_EQ(Text(*restored), "");
  EXPECT_TRUE(Step(*restored, {PipelineAction("clean,expand")}).had_no_effect);
}

TEST_F(ExampleSessionTest, RestoreRefusesWhatIsNotItsOwn) {
  ASSERT_TRUE(Start(*session_, "+").ok());
  const SessionSnapshot good = Take(*session_);
  const std::vector<std::pair<SessionSnapshot, absl::StatusCode>> refused = {
      {{"other", good.version, good.data}, absl::StatusCode::kFailedPrecondition},
      {{good.type, good.version + 1, good.data}, absl::StatusCode::kFailedPrecondition},
      {{good.type, good.version, "+"}, absl::StatusCode::kInvalidArgument},
      {{good.type, good.version, "3/+?"}, absl::StatusCode::kInvalidArgument},
  };
  for (const auto& [snapshot, code] : refused) {
    EXPECT_EQ(MakeSession()->Restore(ExampleSession::kPass, {}, snapshot).code(), code)
        << snapshot.type << snapshot.data;
  }
}

}  // namespace
}  // namespace holdfast
