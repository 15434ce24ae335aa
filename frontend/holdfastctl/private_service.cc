#include "frontend/holdfastctl/private_service.h"

#include <fcntl.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/unique_fd.h"
#include "frontend/frontend.h"

extern char** environ;

namespace holdfast {
namespace {

absl::Status Failed(absl::string_view what) {
  return absl::InternalError(absl::StrCat("cannot ", what, ": ", std::strerror(errno)));
}

void RemoveDirectory(const std::string& directory) {
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

// Starts this binary with `arguments`, its stdout in `out`, in a process group of its own: Ctrl-C
// is for us, and the front ends because we do.
absl::StatusOr<pid_t> SpawnSelf(std::vector<std::string> arguments, int out) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t pid = 0;
  errno = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (errno != 0) return Failed("start a service of our own");
  return pid;
}

// Whether a line comes from the pipe before its end.
bool AwaitLine(int fd) {
  char c = 0;
  ssize_t count = 0;
  while ((count = read(fd, &c, 1)) == 1 || (count < 0 && errno == EINTR)) {
    if (count == 1 && c == '\n') return true;
  }
  return false;
}

}  // namespace

int RunPrivateFront(int argc, char** argv) {
  // argv: program, role, the parent's id, the working directory, flags.
  if (argc < 4) return 1;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  const std::string directory = argv[3];
  if (absl::StrCat(getppid()) != argv[2]) {  // It ended before that took effect.
    RemoveDirectory(directory);
    return 1;
  }
  std::vector<char*> front_argv = {argv[0]};
  front_argv.insert(front_argv.end(), argv + 4, argv + argc + 1);  // With the null at the end.
  const int exit_code = RunFrontend(static_cast<int>(front_argv.size()) - 1, front_argv.data(), "",
                                    /*is_worker=*/false);
  // For the case that our parent cannot any more.
  RemoveDirectory(directory);
  return exit_code;
}

absl::StatusOr<std::unique_ptr<PrivateService>> PrivateService::Start(
    const std::vector<std::string>& flags) {
  auto service = absl::WrapUnique(new PrivateService);
  const char* parent = getenv("TMPDIR");
  service->directory_ =
      absl::StrCat(parent == nullptr || *parent == '\0' ? "/tmp" : parent, "/holdfastctl-XXXXXX");
  if (mkdtemp(service->directory_.data()) == nullptr) {
    absl::Status status = Failed(absl::StrCat("make ", service->directory_));
    service->directory_.clear();
    return status;
  }
  const std::string address = absl::StrCat("unix:", service->directory_, "/s");
  std::vector<std::string> arguments = {"holdfastctl",
                                        kPrivateFrontArgument,
                                        absl::StrCat(getpid()),
                                        service->directory_,
                                        absl::StrCat("--working_dir=", service->directory_),
                                        absl::StrCat("--listen=", address),
                                        "--metrics_listen=",
                                        "--admin_socket=none",
                                        "--drain_timeout=0s"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());

  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Failed("make a pipe");
  const UniqueFd out(ends[0]);
  UniqueFd in(ends[1]);
  const absl::StatusOr<pid_t> front = SpawnSelf(std::move(arguments), in.get());
  if (!front.ok()) return front.status();
  service->front_ = *front;
  in.reset();
  if (!AwaitLine(out.get())) {
    return absl::FailedPreconditionError("the service to replay in does not start");
  }
  grpc::ChannelArguments channel;
  channel.SetMaxReceiveMessageSize(-1);
  channel.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  service->stub_ = compiler_gym::CompilerGymService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), channel));
  return service;
}

PrivateService::~PrivateService() {
  if (front_ > 0) {
    kill(front_, SIGTERM);
    while (waitpid(front_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (!directory_.empty()) RemoveDirectory(directory_);
}

}  // namespace holdfast
