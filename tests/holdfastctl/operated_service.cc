#include "tests/holdfastctl/operated_service.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <utility>

#include "absl/memory/memory.h"

namespace holdfast {

std::vector<std::string> CtlCommand(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), RunfilePath("frontend/holdfastctl/holdfastctl"));
  return arguments;
}

ProgramResult Ctl(std::vector<std::string> arguments) {
  return RunProgram(CtlCommand(std::move(arguments)));
}

OperatedService::OperatedService(std::vector<std::string> flags)
    : socket_(directory_ / "admin.sock") {
  flags.push_back("--admin_socket=" + socket_);
  service_ = absl::make_unique<MisbehavingService>(flags);
}

OperatedService::~OperatedService() {
  service_ = nullptr;
  EXPECT_TRUE(WaitUntil([this] { return !std::filesystem::exists(socket_); }))
      << "the admin socket is left";
}

ProgramResult OperatedService::Ctl(const std::string& command,
                                   const std::vector<std::string>& further) const {
  return RunProgram(CtlCommand(command, further));
}

std::vector<std::string> OperatedService::CtlCommand(
    const std::string& command, const std::vector<std::string>& further) const {
  std::vector<std::string> arguments = {command, socket_};
  arguments.insert(arguments.end(), further.begin(), further.end());
  return holdfast::CtlCommand(std::move(arguments));
}

}  // namespace holdfast
