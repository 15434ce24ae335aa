// How an action is named to people: by its space's names, as far as it has any. Pure functions.
#ifndef HOLDFAST_FRONTEND_ACTION_NAME_H_
#define HOLDFAST_FRONTEND_ACTION_NAME_H_

#include <string>

#include "proto/compiler_gym_service.pb.h"

namespace holdfast {

// "sroa": the action's name in its space, or its value as text, at most 200 bytes of it, or "no
// value". Never empty.
std::string ActionName(const compiler_gym::Space& space, const compiler_gym::Event& action);

// "sroa (122)", or without a name its value as text, likewise.
std::string DescribeAction(const compiler_gym::Space& space, const compiler_gym::Event& action);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_ACTION_NAME_H_
