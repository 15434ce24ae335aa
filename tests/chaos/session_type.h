// What the chaos clients know of a session type: its worker, its programs, and what to do to them.
#ifndef HOLDFAST_TESTS_CHAOS_SESSION_TYPE_H_
#define HOLDFAST_TESTS_CHAOS_SESSION_TYPE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/integration/service_process.h"

namespace holdfast::chaos {

struct SessionType {
  std::string name;
  std::string worker;  // The binary, as a path of the workspace.
  std::string action_space;
  std::string state;                    // The observation that tells one state from another.
  std::vector<std::string> dear;        // Deterministic observations that cost too much to ask for.
  std::vector<std::string> parameters;  // "KEY=VALUE", each of which changes the state.
  int max_steps;                        // Of a session: a recovery applies all of them again.
  std::vector<std::string> (*programs)();
};

// All that there are, in a fixed order.
const std::vector<SessionType>& SessionTypes();

// What a running service of a type offers, by index.
struct Offer {
  const SessionType* type = nullptr;
  int action_space = 0;
  std::vector<std::string> action_names;
  int state = 0;
  std::vector<int> observations;  // Deterministic and not dear; `state` is one of them.
  std::vector<std::string> programs;
};

// Asks a service of that type. Programs that a session has observed are added to the type's own.
Offer AskFor(const SessionType& type, const ServiceProcess& service);

// The URI under which a service of that type has the program of that index.
std::string ProgramUri(const SessionType& type, int program);

// Gives all programs to the service.
grpc::Status AddPrograms(const Offer& offer, compiler_gym::CompilerGymService::Stub* stub);

}  // namespace holdfast::chaos

#endif  // HOLDFAST_TESTS_CHAOS_SESSION_TYPE_H_
