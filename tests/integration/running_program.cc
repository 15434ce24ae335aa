#include "tests/integration/running_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/service_process.h"

extern char** environ;

namespace holdfast {
namespace {

namespace fs = std::filesystem;

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

RunningProgram::RunningProgram(std::vector<std::string> arguments, const Surroundings& surroundings)
    : out_(OpenOutput()), err_(OpenOutput()) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<std::string> added = surroundings.environment;
  std::vector<char*> environment;  // Of two with the same name the first counts.
  for (std::string& variable : added) environment.push_back(variable.data());
  for (char** variable = environ; *variable != nullptr; ++variable)
    environment.push_back(*variable);
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

std::string AnnouncedService::address() const {
  const std::string before = " serves on ";
  std::string text;
  EXPECT_TRUE(WaitUntil([&] {
    text = out();
    return absl::StrContains(text, before) && absl::EndsWith(text, "\n");
  })) << err();
  const size_t at = text.find(before);
  if (at == std::string::npos) return "";
  text = text.substr(at + before.size());
  return text.substr(0, text.find(", "));
}

namespace {

// A lone worker leaves its directory behind: in one that goes with the test.
RunningProgram::Surroundings WithOwnTmpdir(RunningProgram::Surroundings surroundings) {
  static const TemporaryDirectory directory;
  surroundings.environment.push_back("TMPDIR=" + directory.path());
  return surroundings;
}

}  // namespace

LoneWorker::LoneWorker(const std::string& binary, const Surroundings& surroundings)
    : RunningProgram({RunfilePath(binary), "--holdfast_role=worker", "--worker_listen=127.0.0.1:0"},
                     WithOwnTmpdir(surroundings)) {}

std::string LoneWorker::address() const {
  int port = 0;
  EXPECT_TRUE(WaitUntil([&] {
    return std::sscanf(out().c_str(), "Serving one session on port %d", &port) == 1;
  })) << err();
  return absl::StrCat("127.0.0.1:", port);
}

// Not below testing::TempDir(): the path of a Unix socket must be short.
TemporaryDirectory::TemporaryDirectory() : path_("/tmp/holdfast-test-XXXXXX") {
  EXPECT_NE(mkdtemp(path_.data()), nullptr);
}

TemporaryDirectory::~TemporaryDirectory() {
  // A spawner that is ending may be removing some of it, too.
  std::error_code error;
  EXPECT_TRUE(WaitUntil([&] {
    fs::remove_all(path_, error);
    return !fs::exists(path_);
  })) << error.message();
}

std::vector<std::string> TemporaryDirectory::Entries(const std::string& prefix) const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_)) {
    const std::string name = entry.path().filename().string();
    if (absl::StartsWith(name, prefix)) names.push_back(name);
  }
  return names;
}

std::string Slurp(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

std::vector<pid_t> FamilyOf(pid_t pid) {
  std::vector<pid_t> family = {pid};
  for (size_t i = 0; i < family.size(); ++i) {
    for (const pid_t child : ChildrenOf(family[i])) family.push_back(child);
  }
  return family;
}

bool AllGone(const std::vector<pid_t>& processes) {
  return std::none_of(processes.begin(), processes.end(), IsAlive);
}

grpc::Status GetSpaces(compiler_gym::CompilerGymService::Stub* stub, int* action_spaces) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Minutes(2)));
  compiler_gym::GetSpacesReply reply;
  grpc::Status status = stub->GetSpaces(&context, {}, &reply);
  if (action_spaces != nullptr) *action_spaces = reply.action_space_list_size();
  return status;
}

}  // namespace holdfast
