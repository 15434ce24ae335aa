// Checks an action against the action space, before the session sees it.
#ifndef HOLDFAST_WORKER_VALIDATION_H_
#define HOLDFAST_WORKER_VALIDATION_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/compiler_gym_service.pb.h"

namespace holdfast {

// InvalidArgument if `action`, called `field` in the message, is not an element of `space`: it
// names the value and the range. Checks discrete spaces, command lines, scalar ranges and strings;
// an action of another kind of space passes.
absl::Status CheckAction(absl::string_view field, const compiler_gym::Space& space,
                         const compiler_gym::Event& action);

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_VALIDATION_H_
