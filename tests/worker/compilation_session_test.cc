// What the runtime knows of a session type that leaves out what is optional.
#include "worker/compilation_session.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "worker/session_host.h"

namespace holdfast {
namespace {

// Says neither what it can nor what it cannot.
class PlainSession : public CompilationSession {
 public:
  using CompilationSession::CompilationSession;
  static std::string CompilerVersion() { return "plain"; }
  static std::vector<compiler_gym::ActionSpace> ActionSpaces() {
    return std::vector<compiler_gym::ActionSpace>(1);
  }
  static std::vector<compiler_gym::ObservationSpace> ObservationSpaces() { return {}; }
  absl::Status Init(int, const compiler_gym::Benchmark&) override { return absl::OkStatus(); }
  absl::StatusOr<ActionResult> ApplyAction(const compiler_gym::Event&) override {
    return ActionResult();
  }
  absl::StatusOr<compiler_gym::Event> ComputeObservation(int) override {
    return compiler_gym::Event();
  }
};

class SnapshotSession : public PlainSession {
 public:
  using PlainSession::PlainSession;
  absl::StatusOr<absl::optional<SessionSnapshot>> Snapshot() override { return {absl::nullopt}; }
};

// Inherits its Snapshot().
class DerivedSnapshotSession final : public SnapshotSession {
 public:
  using SnapshotSession::SnapshotSession;
};

class UnrepeatableSession final : public PlainSession {
 public:
  using PlainSession::PlainSession;
  static bool IsReplayable() { return false; }
};

TEST(SessionTypeTest, TellsWhatItsSessionsCan) {
  const auto describe = [](SessionType type) {
    DescribeReply reply;
    SessionHost(std::move(type), {}).Describe(&reply);
    reply.clear_version();
    reply.clear_spaces();
    reply.clear_has_step_lane();  // The runtime's.
    return reply.ShortDebugString();
  };
  EXPECT_EQ(describe(SessionTypeOf<PlainSession>()), "");
  EXPECT_EQ(describe(SessionTypeOf<UnrepeatableSession>()), "not_replayable: true");
  EXPECT_EQ(describe(SessionTypeOf<SnapshotSession>()), "takes_snapshots: true");
  EXPECT_EQ(describe(SessionTypeOf<DerivedSnapshotSession>()), "takes_snapshots: true");
}

TEST(SessionTypeTest, RefusesEverySnapshotByDefault) {
  SessionHost host(SessionTypeOf<PlainSession>(), {});
  RestoreRequest request;
  request.mutable_benchmark()->mutable_program();
  request.mutable_snapshot()->set_type("other");
  RestoreReply reply;
  WorkerAnswer answer;
  const absl::Status status = host.Restore(request, &reply, &answer);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "this session reads no snapshots of type \"other\", version 0");
}

}  // namespace
}  // namespace holdfast
