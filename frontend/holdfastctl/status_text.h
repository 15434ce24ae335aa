// The status of a service for people: lines of at most 80 columns. Pure.
#ifndef HOLDFAST_FRONTEND_HOLDFASTCTL_STATUS_TEXT_H_
#define HOLDFAST_FRONTEND_HOLDFASTCTL_STATUS_TEXT_H_

#include <string>
#include <vector>

#include "frontend/holdfastctl/table.h"
#include "proto/admin.pb.h"

namespace holdfast {

// "ready", "not ready: workers cannot be started: …".
std::string ReadinessText(const admin::ServiceStatus& status);

// "Holdfast 0.1.0, front-1 (pid 4711), up 3h12m: ready".
std::string HeadLine(const admin::ServiceStatus& status);

// "12: 3 busy, 9 parked".
std::string SessionCounts(const admin::ServiceStatus& status);
std::string WorkerCounts(const admin::ServiceStatus& status);

Table TabulateWorkers(const admin::ServiceStatus& status);
Table TabulateSessions(const admin::ServiceStatus& status);

// What `holdfastctl status` and its siblings print.
std::string StatusText(const admin::ServiceStatus& status);
std::string SessionsText(const admin::ServiceStatus& status);
std::string WorkersText(const admin::ServiceStatus& status);
std::string FailuresText(const admin::ServiceStatus& status);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HOLDFASTCTL_STATUS_TEXT_H_
