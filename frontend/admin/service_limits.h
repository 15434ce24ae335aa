// The bounds of a service, for operators.
#ifndef HOLDFAST_FRONTEND_ADMIN_SERVICE_LIMITS_H_
#define HOLDFAST_FRONTEND_ADMIN_SERVICE_LIMITS_H_

#include <string>
#include <utility>
#include <vector>

#include "frontend/options.h"
#include "frontend/process_spawner.h"
#include "proto/admin.pb.h"

namespace holdfast {

// Those of workers first, each with who holds them to it.
std::vector<admin::Limit> DescribeLimits(const Options& options, const LimitMechanisms& mechanisms);

// How workers are held to each limit, for metrics: pairs of limit and mechanism, as "memory" and
// "cgroup_v2". "none": there is no limit.
std::vector<std::pair<std::string, std::string>> DescribeMechanisms(
    const Options& options, const LimitMechanisms& mechanisms);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_SERVICE_LIMITS_H_
