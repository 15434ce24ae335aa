#include "worker/worker_main.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "common/deadlock_detection.h"
#include "common/grpc_cpus.h"
#include "common/roles.h"
#include "common/unique_fd.h"
#include "common/worker_progress.h"
#include "worker/failure_handler.h"
#include "worker/session_host.h"
#include "worker/worker_server.h"

ABSL_FLAG(
    std::string, worker_listen, "",
    "Worker role only: serve on HOST:PORT instead of the link to a front, to drive one worker "
    "alone while debugging.");
ABSL_FLAG(std::string, worker_scratch_directory, "",
          "Worker role only, set by the front: the session's private directory. Default: a fresh "
          "one under TMPDIR, which is left behind.");
ABSL_FLAG(std::string, worker_client_files_directory, "",
          "Worker role only, set by the front: where files for clients go. Default: files/ in the "
          "scratch directory.");
ABSL_FLAG(bool, worker_allow_benchmark_commands, false,
          "Worker role only, set by the front's --allow_benchmark_commands.");

ABSL_FLAG(bool, worker_step_lane, true,
          "Worker role only: offer to take steps as messages of one long call. False, to compare: "
          "each step is a call.");
ABSL_FLAG(std::string, worker_progress_file, "",
          "Worker role only, set by the front: the file in which the worker tells what it is "
          "doing. Default: none.");

namespace holdfast {
namespace {

// A worker without the file does its work all the same.
ProgressWriter MakeProgressWriter() {
  const std::string path = absl::GetFlag(FLAGS_worker_progress_file);
  if (path.empty()) return ProgressWriter();
  absl::StatusOr<ProgressWriter> writer = ProgressWriter::Create(path);
  if (writer.ok()) return *std::move(writer);
  std::cerr << "WARNING: --worker_progress_file: " << writer.status().message() << std::endl;
  return ProgressWriter();
}

std::string MakeScratchDirectory() {
  const char* parent = getenv("TMPDIR");
  std::string path = std::string(parent == nullptr ? "/tmp" : parent) + "/holdfast-worker-XXXXXX";
  return mkdtemp(path.data()) == nullptr ? "" : path;
}

}  // namespace

int RunWorker(int argc, char** argv, SessionType type) {
  SpareDeadlockDetection();
  signal(SIGPIPE, SIG_IGN);
  // Executed through a file descriptor, a process is otherwise named after its number.
  prctl(PR_SET_NAME, "holdfast-worker");
  LimitGrpcCpus(1);  // One call at a time: a machine of workers needs no pool of threads in each.
  absl::ParseCommandLine(argc, argv);
  InstallFailureHandler(argv[0]);
  SessionContext context;
  context.scratch_directory = absl::GetFlag(FLAGS_worker_scratch_directory);
  if (context.scratch_directory.empty()) context.scratch_directory = MakeScratchDirectory();
  context.client_files_directory = absl::GetFlag(FLAGS_worker_client_files_directory);
  if (context.client_files_directory.empty()) {
    context.client_files_directory = context.scratch_directory + "/files";
  }
  context.allow_benchmark_commands = absl::GetFlag(FLAGS_worker_allow_benchmark_commands);

  type.has_step_lane = absl::GetFlag(FLAGS_worker_step_lane);
  SessionHost host(std::move(type), context, MakeProgressWriter());
  const std::string address = absl::GetFlag(FLAGS_worker_listen);
  const absl::Status status =
      address.empty() ? ServeLink(&host, UniqueFd(kWorkerLinkFd)) : ServeAddress(&host, address);
  std::cerr << "ERROR: " << status.message() << std::endl;
  return 1;
}

}  // namespace holdfast
