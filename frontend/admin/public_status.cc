#include "frontend/admin/public_status.h"

namespace holdfast {

int64_t ShortenSessionId(int64_t id) {
  constexpr int64_t kShort = 100'000;
  const int64_t last = id % kShort;
  return id != 0 && last == 0 ? kShort : last;
}

admin::ServiceStatus WithoutSecrets(admin::ServiceStatus status) {
  for (admin::Session& session : *status.mutable_sessions()) {
    session.set_id(ShortenSessionId(session.id()));
  }
  for (admin::Worker& worker : *status.mutable_workers()) {
    worker.set_session(ShortenSessionId(worker.session()));
  }
  for (admin::WorkerExit& exit : *status.mutable_exits()) {
    if (exit.has_failure()) exit.mutable_failure()->clear_stderr_tail();
  }
  for (admin::Failure& failure : *status.mutable_failures()) {
    failure.set_session(ShortenSessionId(failure.session()));
    if (failure.has_failure()) failure.mutable_failure()->clear_stderr_tail();
  }
  return status;
}

}  // namespace holdfast
