// A network of the test's own: the test's process, and hosts that are joined to it by a bridge.
#ifndef HOLDFAST_TESTS_DEPLOY_NETWORK_H_
#define HOLDFAST_TESTS_DEPLOY_NETWORK_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/running_program.h"

namespace holdfast {

// Moves this process to a network without any other host, with loopback and a bridge. Once, before
// there are threads. All goes with the process, however it ends. Needs root. Aborts if it cannot.
void EnterOwnNetwork();

// Starts a program as host `number`, 1 to 250, of that network. It alone has that host's address.
std::unique_ptr<RunningProgram> StartOnHost(int number, const std::vector<std::string>& command);

// Of host `number`: "10.77.0.1".
std::string AddressOf(int number);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_DEPLOY_NETWORK_H_
