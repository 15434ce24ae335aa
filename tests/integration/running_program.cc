#include "tests/integration/running_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/service_process.h"

extern char** environ;

namespace holdfast {
namespace {

// A file without a name, to be written by the program and read at any time.
int OpenOutput() {
  std::string path = testing::TempDir() + "/output-XXXXXX";
  const int fd = mkostemp(path.data(), O_CLOEXEC | O_APPEND);
  EXPECT_GE(fd, 0);
  unlink(path.c_str());
  return fd;
}

std::string ReadAll(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t count = 0; (count = pread(fd, buffer, sizeof(buffer), text.size())) > 0;) {
    text.append(buffer, count);
  }
  return text;
}

}  // namespace

RunningProgram::RunningProgram(std::vector<std::string> arguments,
                               const Surroundings& surroundings)
    : out_(OpenOutput()), err_(OpenOutput()) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<std::string> added = surroundings.environment;
  std::vector<char*> environment;  // Of two with the same name the first counts.
  for (std::string& variable : added) environment.push_back(variable.data());
  for (char** variable = environ; *variable != nullptr; ++variable) environment.push_back(*variable);
  environment.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out_, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err_, STDERR_FILENO);
  if (!surroundings.directory.empty()) {
    posix_spawn_file_actions_addchdir_np(&actions, surroundings.directory.c_str());
  }
  const int error =
      posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(error, 0) << "cannot run " << argv[0];
  if (error != 0) exit_ = -1;
}

RunningProgram::~RunningProgram() {
  Signal(SIGKILL);
  Wait();
  close(out_);
  close(err_);
}

std::string RunningProgram::out() const { return ReadAll(out_); }
std::string RunningProgram::err() const { return ReadAll(err_); }

void RunningProgram::Signal(int signal) const {
  if (!exit_.has_value()) kill(pid_, signal);
}

absl::optional<int> RunningProgram::Wait(absl::Duration timeout) {
  int status = 0;
  if (!exit_.has_value() &&
      WaitUntil([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }, timeout)) {
    exit_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }
  return exit_;
}

}  // namespace holdfast
