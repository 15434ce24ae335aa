#include "worker/compilation_session.h"

#include "absl/strings/cord.h"

namespace holdfast {
namespace {

constexpr absl::string_view kCleanPayload = "holdfast.clean";

}  // namespace

absl::Status CleanError(absl::Status error) {
  if (!error.ok()) error.SetPayload(kCleanPayload, absl::Cord());
  return error;
}

bool IsCleanError(const absl::Status& error) { return error.GetPayload(kCleanPayload).has_value(); }

}  // namespace holdfast
