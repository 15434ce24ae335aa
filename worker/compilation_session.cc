#include "worker/compilation_session.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

constexpr absl::string_view kCleanPayload = "holdfast.clean";
constexpr size_t kMaxTypeShown = 64;

}  // namespace

absl::Status CleanError(absl::Status error) {
  if (!error.ok()) error.SetPayload(kCleanPayload, absl::Cord());
  return error;
}

absl::StatusOr<compiler_gym::Benchmark> CompilationSession::MakeBenchmark(
    absl::string_view uri, const SessionContext& /*context*/) {
  return absl::InvalidArgumentError(
      absl::StrCat("this session type brings no benchmarks, asked for ", uri));
}

absl::Status UnknownSnapshotError(const SessionSnapshot& snapshot) {
  return absl::FailedPreconditionError(absl::StrCat("this session reads no snapshots of type \"",
                                                    snapshot.type.substr(0, kMaxTypeShown),
                                                    "\", version ", snapshot.version));
}

bool IsCleanError(const absl::Status& error) { return error.GetPayload(kCleanPayload).has_value(); }

absl::Status CompilationSession::Restore(int /*action_space*/,
                                         const compiler_gym::Benchmark& /*benchmark*/,
                                         const SessionSnapshot& snapshot) {
  return UnknownSnapshotError(snapshot);
}

}  // namespace holdfast
