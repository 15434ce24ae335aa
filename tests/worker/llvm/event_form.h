// Whether a value is a point of a space: what clients rely on when they read observations.
#ifndef HOLDFAST_TESTS_WORKER_LLVM_EVENT_FORM_H_
#define HOLDFAST_TESTS_WORKER_LLVM_EVENT_FORM_H_

#include "absl/status/status.h"
#include "proto/compiler_gym_service.pb.h"

namespace holdfast {

// INVALID_ARGUMENT, saying what is wrong, unless `event` has the field that belongs to the kind of
// `space`, a tensor as many elements as its shape says, and all numbers and lengths are in range.
// UNIMPLEMENTED for a kind of space that no session of LLVM has: products, unions, sequences of
// points, and boxes of other than integers.
absl::Status CheckForm(const compiler_gym::Space& space, const compiler_gym::Event& event);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_WORKER_LLVM_EVENT_FORM_H_
