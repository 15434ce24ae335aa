// The status of the service for people with a browser, and the same as JSON.
#ifndef HOLDFAST_FRONTEND_ADMIN_STATUS_PAGE_H_
#define HOLDFAST_FRONTEND_ADMIN_STATUS_PAGE_H_

#include <functional>
#include <string>
#include <vector>

#include "frontend/http/http_server.h"
#include "proto/admin.pb.h"

namespace holdfast {

// /statusz and /statusz.json. `collect` runs for each at most once a second, on any thread, for it
// costs more the more sessions there are. What is secret in its answer is left out.
std::vector<HttpPage> StatusPages(std::function<admin::ServiceStatus()> collect);

// A whole page, without scripts or anything from elsewhere, light or dark as the browser likes it.
// Pure. `status` is shown as it is.
std::string StatusHtml(const admin::ServiceStatus& status);

// Field names as in proto/admin.proto; 64-bit numbers are strings, as protobuf's JSON has them.
// What is zero or empty is there, too. Pure.
std::string StatusJson(const admin::ServiceStatus& status);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_STATUS_PAGE_H_
