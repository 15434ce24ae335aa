// What of a service's status anybody may see who can reach its HTTP port.
#ifndef HOLDFAST_FRONTEND_ADMIN_PUBLIC_STATUS_H_
#define HOLDFAST_FRONTEND_ADMIN_PUBLIC_STATUS_H_

#include <cstdint>

#include "proto/admin.pb.h"

namespace holdfast {

// What is left of a session's id: its last five digits, by which it is found in the log, but which
// are no key to it. 0 stays 0, "none"; an id that ends with five zeros becomes 100000.
int64_t ShortenSessionId(int64_t id);

// Without what proto/admin.proto calls secret: session ids are shortened, workers' stderr is left
// out. Pure.
admin::ServiceStatus WithoutSecrets(admin::ServiceStatus status);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ADMIN_PUBLIC_STATUS_H_
