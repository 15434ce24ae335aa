// What /healthz and /readyz answer.
#ifndef HOLDFAST_FRONTEND_HEALTH_PROBES_H_
#define HOLDFAST_FRONTEND_HEALTH_PROBES_H_

#include "frontend/health/liveness.h"
#include "frontend/health/readiness.h"
#include "frontend/http/http_server.h"

namespace holdfast {

// /healthz: 200, or 503 if the service had better be started anew.
HttpPage HealthzPage(const Liveness* liveness);

// /readyz: 200, or 503 with the reason if no worker can be had, or the service stands still. With
// the query "draining=404" a service that drains answers 404: for HAProxy's "http-check
// disable-on-404", which then sends those who have a session here, and nobody else.
HttpPage ReadyzPage(const Readiness* readiness);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_HEALTH_PROBES_H_
