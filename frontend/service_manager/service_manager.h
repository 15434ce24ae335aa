// Tells the service manager, systemd, how the service is doing: its sd_notify protocol.
#ifndef HOLDFAST_FRONTEND_SERVICE_MANAGER_SERVICE_MANAGER_H_
#define HOLDFAST_FRONTEND_SERVICE_MANAGER_SERVICE_MANAGER_H_

#include <functional>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "frontend/clock.h"
#include "frontend/health/readiness.h"

namespace holdfast {

// Sends `state`, assignments of sd_notify(3) with a newline between each two: "READY=1",
// "STOPPING=1", "STATUS=one line", "WATCHDOG=1", "EXTEND_TIMEOUT_USEC=N". Waits for a manager that
// does not listen, at most a second. Any thread, unless another changes the environment.
//
// OK also if there is no manager, that is no $NOTIFY_SOCKET. InvalidArgument if that is no address
// of a Unix socket, Unavailable if the manager does not take the message: the service can go on.
absl::Status NotifyServiceManager(absl::string_view state);

// How often the manager wants to hear WATCHDOG=1: twice as often as it must. Zero if it does not.
absl::Duration WatchdogPeriod();

// To be called once, on the supervision thread, when the service serves: says that it is ready, and
// from then on its status, when it drains, and, in WatchdogPeriod() as long as `is_alive` says so,
// that it lives. Does nothing if there is no manager. `post` runs work on that thread, on which
// `is_alive` is called. `clock` outlives `readiness`, and what is posted runs while both live, or
// not at all.
void ReportToServiceManager(Clock* clock, Readiness* readiness, std::function<bool()> is_alive,
                            std::function<void(absl::AnyInvocable<void()>)> post);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SERVICE_MANAGER_SERVICE_MANAGER_H_
