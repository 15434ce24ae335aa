// One binary plays several roles. Which one is decided from argv[1], before code of another role
// runs; the front starts the others.
#ifndef HOLDFAST_COMMON_ROLES_H_
#define HOLDFAST_COMMON_ROLES_H_

#include "absl/strings/string_view.h"

namespace holdfast {

enum class Role { kFront, kSpawner, kWorker };

inline constexpr char kSpawnerRoleArgument[] = "--holdfast_role=spawner";
inline constexpr char kWorkerRoleArgument[] = "--holdfast_role=worker";

// Where a spawner finds its control socket, and a worker its link.
inline constexpr int kSpawnerControlFd = 3;
inline constexpr int kWorkerLinkFd = 3;

// Takes the role argument out of argv, so that flags can be parsed as usual.
inline Role TakeRole(int* argc, char** argv) {
  if (*argc < 2) return Role::kFront;
  const absl::string_view argument = argv[1];
  const Role role = argument == kSpawnerRoleArgument  ? Role::kSpawner
                    : argument == kWorkerRoleArgument ? Role::kWorker
                                                      : Role::kFront;
  if (role == Role::kFront) return role;
  for (int i = 1; i < *argc; ++i) argv[i] = argv[i + 1];  // argv[argc] is null.
  --*argc;
  return role;
}

}  // namespace holdfast

#endif  // HOLDFAST_COMMON_ROLES_H_
