// A service with an admin socket, and holdfastctl to ask it.
#ifndef HOLDFAST_TESTS_HOLDFASTCTL_OPERATED_SERVICE_H_
#define HOLDFAST_TESTS_HOLDFASTCTL_OPERATED_SERVICE_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/misbehaving_service.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {

// The command line of holdfastctl.
std::vector<std::string> CtlCommand(std::vector<std::string> arguments);
// Runs it to its end.
ProgramResult Ctl(std::vector<std::string> arguments);

// Its admin socket has a short path, unlike the test's own directory.
class OperatedService {
 public:
  explicit OperatedService(std::vector<std::string> flags = {});
  // The service is gone, and so is its socket.
  ~OperatedService();

  MisbehavingService& service() { return *service_; }
  const std::string& socket() const { return socket_; }
  // `holdfastctl COMMAND SOCKET FURTHER`.
  ProgramResult Ctl(const std::string& command, const std::vector<std::string>& further = {}) const;
  std::vector<std::string> CtlCommand(const std::string& command,
                                      const std::vector<std::string>& further = {}) const;

 private:
  TemporaryDirectory directory_;
  const std::string socket_;
  std::unique_ptr<MisbehavingService> service_;
};

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_HOLDFASTCTL_OPERATED_SERVICE_H_
