#include "worker/session_host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>
#include <utility>

namespace holdfast {
namespace {

using compiler_gym::Event;
using compiler_gym::StepReply;
using compiler_gym::StepRequest;
using testing::ElementsAre;
using testing::HasSubstr;

// What the session was asked, and what it is to do: shared with the test, as the host makes the
// session itself.
struct Script {
  std::vector<std::string> calls;
  std::function<absl::StatusOr<ActionResult>(int64_t)> apply = [](int64_t) {
    return ActionResult();
  };
  absl::Status end_of_step;
  absl::Status observation;
  std::string fingerprint;
  absl::StatusOr<absl::optional<SessionSnapshot>> snapshot{absl::nullopt};
  std::string restored_from;  // Type, version and data, as Restore() got them.
  absl::Status restore;
  std::string progress_file;
  std::vector<std::string> progress;  // As the file told it in each hook.
};
Script* script = nullptr;

std::string TextOfProgress() {
  const WorkerProgress progress = ReadProgress(script->progress_file);
  return WorkerFailure::Activity_Name(progress.activity) + " " + std::to_string(progress.index);
}

class ScriptedSession : public CompilationSession {
 public:
  using CompilationSession::CompilationSession;
  static std::string CompilerVersion() { return "scripted"; }
  static std::vector<compiler_gym::ActionSpace> ActionSpaces() {
    compiler_gym::ActionSpace space;
    space.mutable_space()->mutable_discrete()->set_n(10);
    return {space};
  }
  static std::vector<compiler_gym::ObservationSpace> ObservationSpaces() {
    return std::vector<compiler_gym::ObservationSpace>(2);
  }
  absl::Status Init(int, const compiler_gym::Benchmark& benchmark) override {
    NoteProgress();
    if (benchmark.uri() == "throw") throw std::runtime_error("no such thing");
    return benchmark.uri() == "bad" ? absl::NotFoundError("bad") : absl::OkStatus();
  }
  absl::StatusOr<ActionResult> ApplyAction(const Event& action) override {
    script->calls.push_back("apply " + std::to_string(action.int64_value()));
    NoteProgress();
    return script->apply(action.int64_value());
  }
  absl::StatusOr<Event> ComputeObservation(int space) override {
    script->calls.push_back("observe " + std::to_string(space));
    NoteProgress();
    if (!script->observation.ok()) return script->observation;
    Event event;
    event.set_int64_value(space);
    return event;
  }
  absl::Status EndOfStep(bool had_no_effect) override {
    script->calls.emplace_back(had_no_effect ? "end, no effect" : "end");
    NoteProgress();
    return script->end_of_step;
  }
  absl::StatusOr<std::string> Fingerprint() override {
    NoteProgress();
    return script->fingerprint;
  }
  absl::StatusOr<absl::optional<ParameterResult>> HandleParameter(absl::string_view,
                                                                  absl::string_view) override {
    NoteProgress();
    return absl::optional<ParameterResult>();
  }
  absl::StatusOr<absl::optional<SessionSnapshot>> Snapshot() override {
    NoteProgress();
    return script->snapshot;
  }
  absl::Status Restore(int, const compiler_gym::Benchmark& benchmark,
                       const SessionSnapshot& snapshot) override {
    NoteProgress();
    script->restored_from = benchmark.program().contents() + " " + snapshot.type + " " +
                            std::to_string(snapshot.version) + " " + snapshot.data;
    if (snapshot.type == "throw") throw std::runtime_error("no such thing");
    return script->restore;
  }

 private:
  // As the front would read it, were this the end of the process.
  static void NoteProgress() { script->progress.push_back(TextOfProgress()); }
};

class SessionHostTest : public testing::Test {
 protected:
  SessionHostTest()
      : host_(SessionTypeOf<ScriptedSession>(), {}, *ProgressWriter::Create(progress_file_)) {
    script = &script_;
    script_.progress_file = progress_file_;
  }
  ~SessionHostTest() override {
    unlink(progress_file_.c_str());
    rmdir(directory_);
  }

  absl::Status Start(const std::string& uri = "good", int action_space = 0) {
    compiler_gym::StartSessionRequest request;
    request.mutable_benchmark()->set_uri(uri);
    request.mutable_benchmark()->mutable_program();
    request.set_action_space(action_space);
    request.mutable_benchmark()->mutable_program()->set_contents("x");
    compiler_gym::StartSessionReply reply;
    return host_.StartSession(request, &reply, &answer_);
  }
  absl::Status Step(const std::vector<int64_t>& actions, const std::vector<int>& observations = {},
                    int64_t session = kOnlySessionId) {
    StepRequest request;
    request.set_session_id(session);
    for (const int64_t action : actions) request.add_action()->set_int64_value(action);
    for (const int space : observations) request.add_observation_space(space);
    script_.calls.clear();
    reply_.Clear();
    answer_ = WorkerAnswer();
    return host_.Step(request, &reply_, &answer_);
  }
  absl::Status Restore(const WorkerSnapshot& snapshot, int action_space = 0) {
    RestoreRequest request;
    request.mutable_benchmark()->mutable_program()->set_contents("x");
    request.set_action_space(action_space);
    *request.mutable_snapshot() = snapshot;
    RestoreReply reply;
    answer_ = WorkerAnswer();
    return host_.Restore(request, &reply, &answer_);
  }
  // Fails at action `at`, with `error`.
  void FailAt(int64_t at, const absl::Status& error) {
    script_.apply = [at, error](int64_t action) -> absl::StatusOr<ActionResult> {
      if (action == at) return error;
      return ActionResult();
    };
  }

  // What the hooks saw in the progress file since this was last called; now nothing must be left.
  std::vector<std::string> TakeProgress() {
    EXPECT_EQ(TextOfProgress(), "NONE 0");
    return std::exchange(script_.progress, {});
  }

  char directory_[64] = "/tmp/session-host-XXXXXX";
  const std::string progress_file_ = std::string(mkdtemp(directory_)) + "/progress";
  Script script_;
  SessionHost host_;
  WorkerAnswer answer_;
  StepReply reply_;
};

TEST_F(SessionHostTest, StepAppliesThenEndsThenObserves) {
  ASSERT_TRUE(Start().ok());
  ASSERT_TRUE(Step({3, 1}, {1, 0, 1}).ok());
  EXPECT_THAT(script_.calls,
              ElementsAre("apply 3", "apply 1", "end", "observe 1", "observe 0", "observe 1"));
  EXPECT_EQ(answer_.actions_applied, 2);
  EXPECT_TRUE(answer_.clean);
  EXPECT_EQ(reply_.observation(2).int64_value(), 1);
}

TEST_F(SessionHostTest, StepWithoutActionsHasNoEffectAndNoEnd) {
  ASSERT_TRUE(Start().ok());
  ASSERT_TRUE(Step({}, {0}).ok());
  EXPECT_THAT(script_.calls, ElementsAre("observe 0"));
  EXPECT_TRUE(reply_.action_had_no_effect());
}

TEST_F(SessionHostTest, NoEffectIsTheAndOverAllActions) {
  ASSERT_TRUE(Start().ok());
  script_.apply = [](int64_t action) {
    ActionResult result;
    result.had_no_effect = action != 5;
    return result;
  };
  ASSERT_TRUE(Step({1, 2}).ok());
  EXPECT_TRUE(reply_.action_had_no_effect());
  ASSERT_TRUE(Step({1, 5, 2}).ok());
  EXPECT_FALSE(reply_.action_had_no_effect());
}

TEST_F(SessionHostTest, EndOfSessionStopsTheStep) {
  ASSERT_TRUE(Start().ok());
  script_.apply = [](int64_t action) {
    ActionResult result;
    result.end_of_session = action == 2;
    return result;
  };
  ASSERT_TRUE(Step({1, 2, 3}).ok());
  EXPECT_TRUE(reply_.end_of_session());
  EXPECT_EQ(answer_.actions_applied, 2);
}

TEST_F(SessionHostTest, EverythingIsCheckedBeforeTheFirstActionIsApplied) {
  ASSERT_TRUE(Start().ok());
  const std::vector<std::pair<absl::Status, std::string>> refused = {
      {Step({1, 10}), "action[1].int64_value is 10, must be in [0, 9]"},
      {Step({1, -1}), "action[1].int64_value is -1, must be in [0, 9]"},
      {Step({1}, {0, 2}), "observation_space is 2, must be in [0, 1]"},
  };
  for (const auto& [status, message] : refused) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), message);
  }
  EXPECT_TRUE(script_.calls.empty());
  EXPECT_TRUE(answer_.clean);
  EXPECT_EQ(answer_.actions_applied, 0);
}

TEST_F(SessionHostTest, FailureTellsHowFarItCameAndWhetherTheStateIsClean) {
  ASSERT_TRUE(Start().ok());
  FailAt(3, absl::OutOfRangeError("three"));
  EXPECT_EQ(Step({1, 2, 3, 4}, {0}).message(), "action[2]: three");
  EXPECT_EQ(answer_.actions_applied, 2);
  EXPECT_FALSE(answer_.clean);
  EXPECT_THAT(script_.calls, ElementsAre("apply 1", "apply 2", "apply 3", "end"));
  FailAt(3, CleanError(absl::OutOfRangeError("three")));
  EXPECT_FALSE(Step({1, 3}).ok());
  EXPECT_EQ(answer_.actions_applied, 1);
  EXPECT_TRUE(answer_.clean);
}

TEST_F(SessionHostTest, FailedEndOfStepUndoesTheStep) {
  ASSERT_TRUE(Start().ok());
  script_.end_of_step = absl::InternalError("invalid IR");
  EXPECT_EQ(Step({1, 2}).message(), "invalid IR");
  EXPECT_EQ(answer_.actions_applied, 0);
  EXPECT_FALSE(answer_.clean);
}

TEST_F(SessionHostTest, FailedObservationKeepsTheActions) {
  ASSERT_TRUE(Start().ok());
  script_.observation = absl::InternalError("blind");
  EXPECT_EQ(Step({1, 2, 3}, {0}).message(), "blind");
  EXPECT_EQ(answer_.actions_applied, 3);
  EXPECT_FALSE(answer_.clean);
}

TEST_F(SessionHostTest, ExceptionsBecomeStatuses) {
  ASSERT_TRUE(Start().ok());
  script_.apply = [](int64_t action) -> absl::StatusOr<ActionResult> {
    if (action == 1) throw std::runtime_error("thrown words");
    throw 42;
  };
  absl::Status status = Step({1});
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("thrown words"));
  EXPECT_FALSE(answer_.clean);
  EXPECT_EQ(Step({2}).code(), absl::StatusCode::kInternal);
}

TEST_F(SessionHostTest, RefusedBenchmarkLeavesNoSession) {
  EXPECT_EQ(Start("bad").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(host_.session_count(), 0);
  EXPECT_EQ(Start("throw").code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Start("good", 1).message(), "action_space is 1, must be in [0, 0]");
  EXPECT_TRUE(Start().ok());
  EXPECT_EQ(Start().code(), absl::StatusCode::kFailedPrecondition) << "one session only";
}

TEST_F(SessionHostTest, OtherSessionsAreNotFound) {
  EXPECT_EQ(Step({}).message(), "Session not found: 1");
  ASSERT_TRUE(Start().ok());
  EXPECT_EQ(Step({}, {}, 2).message(), "Session not found: 2");
  host_.EndSession(2);
  EXPECT_TRUE(Step({}).ok());
  host_.EndSession(1);
  EXPECT_FALSE(Step({}).ok());
}

TEST_F(SessionHostTest, SessionsThatFollowOneAnotherShareNothing) {
  ASSERT_TRUE(Start().ok());
  script_.apply = [](int64_t) {
    ActionResult result;
    result.new_action_space.emplace();
    result.new_action_space->mutable_space()->mutable_discrete()->set_n(2);
    return result;
  };
  script_.fingerprint = "f";
  ASSERT_TRUE(Step({1}).ok());
  EXPECT_FALSE(Step({9}).ok());
  host_.EndSession(1);
  EXPECT_EQ(host_.session_count(), 0);
  EXPECT_EQ(TextOfProgress(), "NONE 0");
  ASSERT_TRUE(Start().ok());
  EXPECT_TRUE(Step({9}).ok()) << "the action space is the first again";
  EXPECT_EQ(answer_.fingerprint, "f") << "and so is the budget";
}

TEST_F(SessionHostTest, NewActionSpaceHoldsForTheNextStep) {
  ASSERT_TRUE(Start().ok());
  script_.apply = [](int64_t) {
    ActionResult result;
    result.new_action_space.emplace();
    result.new_action_space->mutable_space()->mutable_discrete()->set_n(2);
    return result;
  };
  ASSERT_TRUE(Step({9}).ok());
  EXPECT_EQ(reply_.new_action_space().space().discrete().n(), 2);
  EXPECT_FALSE(Step({9}).ok());
  EXPECT_TRUE(Step({1}).ok());
}

TEST_F(SessionHostTest, FingerprintComesWithStepsThatChangedSomething) {
  ASSERT_TRUE(Start().ok());
  script_.fingerprint = std::string(100, 'f');
  ASSERT_TRUE(Step({1}).ok());
  EXPECT_EQ(answer_.fingerprint, std::string(64, 'f')) << "the first is free, and bounded";
  ASSERT_TRUE(Step({}).ok());
  EXPECT_EQ(answer_.fingerprint, "");
  FingerprintReply reply;
  EXPECT_TRUE(host_.Fingerprint(&reply, &answer_).ok());
  EXPECT_EQ(reply.fingerprint().size(), 64u);
}

TEST_F(SessionHostTest, SnapshotIsWhatTheSessionSays) {
  SnapshotReply reply;
  EXPECT_EQ(host_.Snapshot(&reply, &answer_).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(Start().ok());
  ASSERT_TRUE(host_.Snapshot(&reply, &answer_).ok());
  EXPECT_FALSE(reply.has_snapshot());
  script_.snapshot = absl::ResourceExhaustedError("too large");
  answer_ = WorkerAnswer();
  EXPECT_EQ(host_.Snapshot(&reply, &answer_).message(), "too large");
  EXPECT_FALSE(reply.has_snapshot());
  EXPECT_TRUE(answer_.clean) << "the session goes on";
  script_.snapshot = {SessionSnapshot{"scripted", 3, "data"}};
  ASSERT_TRUE(host_.Snapshot(&reply, &answer_).ok());
  EXPECT_EQ(reply.snapshot().ShortDebugString(), R"(type: "scripted" version: 3 data: "data")");
}

TEST_F(SessionHostTest, RestoreMakesTheSession) {
  WorkerSnapshot snapshot;
  snapshot.set_type("scripted");
  snapshot.set_version(3);
  snapshot.set_data("data");
  ASSERT_TRUE(Restore(snapshot).ok());
  EXPECT_EQ(script_.restored_from, "x scripted 3 data");
  EXPECT_TRUE(answer_.clean);
  EXPECT_EQ(host_.session_count(), 1);
  EXPECT_TRUE(Step({9}).ok());
  EXPECT_EQ(Restore(snapshot).code(), absl::StatusCode::kFailedPrecondition) << "one session only";
  EXPECT_EQ(Start().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SessionHostTest, FailedRestoreLeavesNoSessionAndAUsableWorker) {
  EXPECT_EQ(Restore({}, 1).message(), "action_space is 1, must be in [0, 0]");
  script_.restore = absl::FailedPreconditionError("unknown");
  EXPECT_EQ(Restore({}).message(), "unknown");
  EXPECT_TRUE(answer_.clean);
  EXPECT_EQ(host_.session_count(), 0);
  WorkerSnapshot snapshot;
  snapshot.set_type("throw");
  EXPECT_EQ(Restore(snapshot).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(host_.session_count(), 0);
  EXPECT_FALSE(Step({1}).ok());
  ASSERT_TRUE(Start().ok());
  EXPECT_TRUE(Step({9}).ok());
}

TEST_F(SessionHostTest, RestoreNeedsABenchmark) {
  RestoreRequest request;
  request.mutable_benchmark()->set_uri("benchmark://none");
  RestoreReply reply;
  EXPECT_EQ(host_.Restore(request, &reply, &answer_).code(), absl::StatusCode::kNotFound);
}

TEST_F(SessionHostTest, SnapshotHoldsTheActionSpaceIfItChanged) {
  ASSERT_TRUE(Start().ok());
  script_.snapshot = {SessionSnapshot{"scripted", 3, "data"}};
  SnapshotReply before, after;
  ASSERT_TRUE(host_.Snapshot(&before, &answer_).ok());
  script_.apply = [](int64_t) {
    ActionResult result;
    result.new_action_space.emplace();
    result.new_action_space->mutable_space()->mutable_discrete()->set_n(2);
    return result;
  };
  ASSERT_TRUE(Step({9}).ok());
  ASSERT_TRUE(host_.Snapshot(&after, &answer_).ok());
  script_.apply = [](int64_t) { return ActionResult(); };

  SnapshotReply again;
  host_.EndSession(kOnlySessionId);
  ASSERT_TRUE(Restore(after.snapshot()).ok());
  EXPECT_FALSE(Step({2}).ok());
  EXPECT_TRUE(Step({1}).ok());
  ASSERT_TRUE(host_.Snapshot(&again, &answer_).ok());
  EXPECT_EQ(again.SerializeAsString(), after.SerializeAsString());
  host_.EndSession(kOnlySessionId);
  ASSERT_TRUE(Restore(before.snapshot()).ok());
  EXPECT_TRUE(Step({9}).ok()) << "nothing of the session before is left";
}

TEST_F(SessionHostTest, ProgressTellsWhatTheSessionIsDoing) {
  ASSERT_TRUE(Start().ok());
  EXPECT_THAT(TakeProgress(), ElementsAre("INIT 0"));
  ASSERT_TRUE(Step({7, 3}, {1, 0}).ok());
  EXPECT_THAT(TakeProgress(), ElementsAre("ACTION 0", "ACTION 1", "END_OF_STEP 0", "OBSERVATION 0",
                                          "OBSERVATION 1", "FINGERPRINT 0"));
  HandleParameterReply parameter_reply;
  ASSERT_TRUE(host_.HandleParameter({}, &parameter_reply, &answer_).ok());
  EXPECT_THAT(TakeProgress(), ElementsAre("PARAMETER 0"));
  FingerprintReply fingerprint_reply;
  ASSERT_TRUE(host_.Fingerprint(&fingerprint_reply, &answer_).ok());
  EXPECT_THAT(TakeProgress(), ElementsAre("FINGERPRINT 0"));
  SnapshotReply snapshot_reply;
  ASSERT_TRUE(host_.Snapshot(&snapshot_reply, &answer_).ok());
  EXPECT_THAT(TakeProgress(), ElementsAre("SNAPSHOT 0"));
  host_.EndSession(kOnlySessionId);
  ASSERT_TRUE(Restore({}).ok());
  EXPECT_THAT(TakeProgress(), ElementsAre("RESTORE 0"));
}

TEST_F(SessionHostTest, FailedCallsLeaveNoProgressBehind) {
  EXPECT_FALSE(Start("throw").ok());
  EXPECT_THAT(TakeProgress(), ElementsAre("INIT 0"));
  ASSERT_TRUE(Start().ok());
  FailAt(3, absl::OutOfRangeError("three"));
  EXPECT_FALSE(Step({1, 3}).ok());
  EXPECT_THAT(TakeProgress(), ElementsAre("INIT 0", "ACTION 0", "ACTION 1", "END_OF_STEP 0"));
  script_.observation = absl::InternalError("blind");
  EXPECT_FALSE(Step({}, {1, 0}).ok());
  EXPECT_THAT(TakeProgress(), ElementsAre("OBSERVATION 0"));
}

TEST(FingerprintBudgetTest, SpendsTwoPercent) {
  FingerprintBudget budget;
  EXPECT_TRUE(budget.Allows(absl::ZeroDuration())) << "the first tells the cost";
  int taken = 0;
  for (int step = 0; step < 10000; ++step) {
    if (!budget.Allows(absl::Milliseconds(10))) continue;
    budget.Spend(absl::Milliseconds(5));
    ++taken;
  }
  EXPECT_NEAR(taken * 5.0 / (10000 * 10.0), 0.02, 0.002);
}

TEST(FingerprintBudgetTest, CheapOnesAreFree) {
  FingerprintBudget budget;
  for (int step = 0; step < 10; ++step) {
    EXPECT_TRUE(budget.Allows(absl::Microseconds(1)));
    budget.Spend(absl::Microseconds(10));
  }
  budget.Spend(absl::Seconds(1));
  EXPECT_TRUE(budget.Allows(absl::Microseconds(1))) << "one may have been interrupted";
  budget.Spend(absl::Seconds(1));
  EXPECT_FALSE(budget.Allows(absl::Microseconds(1))) << "two are no chance";
}

}  // namespace
}  // namespace holdfast
