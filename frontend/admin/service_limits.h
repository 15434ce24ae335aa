// The bounds of a service, for operators.
#ifndef HOLDFAST_FRONTEND_ADMIN_SERVICE_LIMITS_H_
#define HOLDFAST_FRONTEND_ADMIN_SERVICE_LIMITS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "frontend/options.h"
#include "frontend/process_spawner.h"
#include "proto/admin.pb.h"

namespace holdfast {

// Those of workers first, each with who holds them to it.
std::vector<admin::Limit> DescribeLimits(const Options& options, const LimitMechanisms& mechanisms);

// Who holds workers to the limit that `flag` sets; "none": there is no limit.
std::string LimitMechanism(absl::string_view flag, const Options& options,
                           const LimitMechanisms& mechanisms);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_SERVICE_LIMITS_H_
