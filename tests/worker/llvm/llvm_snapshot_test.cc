// A session that was restored from a snapshot is the session that took it, now and later.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "tests/worker/llvm/test_support.h"
#include "worker/llvm/llvm_snapshot.pb.h"

namespace holdfast::llvm_session {
namespace {

using testing::HasSubstr;

SessionSnapshot Take(SessionUnderTest& session) {
  absl::StatusOr<absl::optional<SessionSnapshot>> snapshot = session.session().Snapshot();
  EXPECT_TRUE(snapshot.ok() && snapshot->has_value()) << snapshot.status();
  return snapshot.ok() && snapshot->has_value() ? **snapshot : SessionSnapshot();
}

LlvmSnapshot Read(const SessionSnapshot& snapshot) {
  LlvmSnapshot read;
  EXPECT_TRUE(read.ParseFromString(snapshot.data));
  return read;
}

std::string OptCommand(SessionUnderTest& session) {
  const auto result = session.session().HandleParameter("llvm.opt_command", "");
  EXPECT_TRUE(result.ok() && result->has_value()) << result.status();
  return result.ok() && result->has_value() ? (*result)->reply : "";
}

std::string Fingerprint(SessionUnderTest& session) { return *session.session().Fingerprint(); }

void ExpectSameObservations(SessionUnderTest& first, SessionUnderTest& second) {
  for (const auto& space : LlvmSession::ObservationSpaces()) {
    if (!space.deterministic()) continue;
    const auto observed = first.Observe(space.name());
    const auto observed_second = second.Observe(space.name());
    ASSERT_TRUE(observed.ok() && observed_second.ok()) << space.name();
    // As text, for bytes have dictionaries in any order.
    EXPECT_EQ(observed->ShortDebugString(), observed_second->ShortDebugString()) << space.name();
  }
}

// Program, actions before the snapshot, seed.
class RestoredSession : public testing::TestWithParam<std::tuple<const char*, int, int>> {
 protected:
  absl::string_view RandomAction() {
    return ModernPasses()[random_() % ModernPasses().size()].name;
  }

  std::mt19937 random_{static_cast<unsigned>(std::get<2>(GetParam()))};
};

TEST_P(RestoredSession, GoesOnLikeTheUndisturbed) {
  constexpr int kActionsAfter = 50;
  const std::string program = DemoProgram(std::get<0>(GetParam()));
  SessionUnderTest undisturbed, restored;
  ASSERT_TRUE(undisturbed.Init("passes", program).ok());
  for (int i = 0; i < std::get<1>(GetParam()); ++i) {
    ASSERT_TRUE(undisturbed.Step(RandomAction()).ok());
  }
  const SessionSnapshot snapshot = Take(undisturbed);
  ASSERT_TRUE(restored.Restore("passes", program, snapshot).ok());
  EXPECT_EQ(Fingerprint(restored), Fingerprint(undisturbed));
  EXPECT_EQ(OptCommand(restored), OptCommand(undisturbed));
  // Also what the fingerprint does not see: the order of use lists.
  EXPECT_TRUE(Read(Take(restored)).bitcode() == Read(snapshot).bitcode());
  ExpectSameObservations(restored, undisturbed);
  for (int i = 0; i < kActionsAfter; ++i) {
    const absl::string_view action = RandomAction();
    const auto effect = undisturbed.Step(action);
    const auto effect_restored = restored.Step(action);
    ASSERT_TRUE(effect.ok() && effect_restored.ok()) << action << ", action " << i;
    ASSERT_EQ(*effect_restored, *effect) << action << ", action " << i;
    ASSERT_EQ(Fingerprint(restored), Fingerprint(undisturbed)) << action << ", action " << i;
    ASSERT_EQ(restored.Ir(), undisturbed.Ir()) << action << ", action " << i;
  }
  EXPECT_EQ(OptCommand(restored), OptCommand(undisturbed));
  ExpectSameObservations(restored, undisturbed);
}

INSTANTIATE_TEST_SUITE_P(Programs, RestoredSession,
                         testing::Combine(testing::Values("compressor.c", "calculator.c",
                                                          "linear_algebra.c"),
                                          testing::Values(0, 5, 20), testing::Values(7, 101)));

class LlvmSnapshotTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(session_.Init("passes", kProgram).ok());
    ASSERT_TRUE(session_.Step("sroa").ok());
    EXPECT_GT(session_.Count("IrInstructionCountOz"), 0);
    snapshot_ = Take(session_);
  }
  // The snapshot, after `change`.
  SessionSnapshot Changed(const std::function<void(LlvmSnapshot*)>& change) const {
    LlvmSnapshot content = Read(snapshot_);
    change(&content);
    SessionSnapshot changed = snapshot_;
    changed.data = content.SerializeAsString();
    return changed;
  }

  static constexpr char kProgram[] = "int f(int a) { int b = a * 2; return b + a; }\n";
  SessionUnderTest session_;
  SessionSnapshot snapshot_;
};

TEST_F(LlvmSnapshotTest, SessionTypeTakesThem) {
  EXPECT_TRUE(SessionTypeOf<LlvmSession>().takes_snapshots);
  EXPECT_TRUE(SessionTypeOf<LlvmSession>().is_replayable);
}

TEST_F(LlvmSnapshotTest, BenchmarkIsNotCompiledUntilANewBaselineIsAskedFor) {
  SessionUnderTest broken, restored;
  ASSERT_TRUE(broken.Restore("passes", "int f(", snapshot_).ok());
  EXPECT_EQ(broken.Ir(), session_.Ir());
  EXPECT_EQ(broken.Count("IrInstructionCountOz"), session_.Count("IrInstructionCountOz"));
  EXPECT_THAT(std::string(broken.Observe("IrInstructionCountO3").status().message()),
              HasSubstr("Failed to compile C source"));
  ASSERT_TRUE(restored.Restore("passes", kProgram, snapshot_).ok());
  EXPECT_EQ(restored.Count("IrInstructionCountO3"), session_.Count("IrInstructionCountO3"));
}

TEST_F(LlvmSnapshotTest, WhatIsNotItsOwnIsRefused) {
  SessionSnapshot other_type = snapshot_, other_version = snapshot_, cut = snapshot_;
  other_type.type = "holdfast.llvm/18.1.0";
  other_version.version = 1;
  cut.data.resize(cut.data.size() / 2);
  const std::vector<std::pair<SessionSnapshot, absl::StatusCode>> refused = {
      {other_type, absl::StatusCode::kFailedPrecondition},
      {other_version, absl::StatusCode::kFailedPrecondition},
      {cut, absl::StatusCode::kInvalidArgument},
      {Changed([](LlvmSnapshot* content) { content->set_bitcode("BC"); }),
       absl::StatusCode::kInvalidArgument},
      {Changed([](LlvmSnapshot* content) { content->add_change()->set_action(145); }),
       absl::StatusCode::kInvalidArgument},
      {Changed([](LlvmSnapshot* content) { content->add_change()->set_baseline(6); }),
       absl::StatusCode::kInvalidArgument},
      {Changed([](LlvmSnapshot* content) { content->add_change()->set_pipeline("gvn"); }),
       absl::StatusCode::kInvalidArgument},
      {Changed([](LlvmSnapshot* content) { content->add_change(); }),
       absl::StatusCode::kInvalidArgument},
      {Changed([](LlvmSnapshot* content) { content->set_digest("0123456789abcdef"); }),
       absl::StatusCode::kDataLoss},
  };
  for (const auto& [snapshot, code] : refused) {
    SessionUnderTest restored;
    EXPECT_EQ(restored.Restore("passes", kProgram, snapshot).code(), code);
  }
}

}  // namespace
}  // namespace holdfast::llvm_session
