// A program that runs beside the test, with whatever arguments and surroundings.
#ifndef HOLDFAST_TESTS_INTEGRATION_RUNNING_PROGRAM_H_
#define HOLDFAST_TESTS_INTEGRATION_RUNNING_PROGRAM_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "proto/compiler_gym_service.grpc.pb.h"

namespace holdfast {

// Killed at destruction, unless it has ended.
class RunningProgram {
 public:
  struct Surroundings {
    std::string directory;                 // To run in; empty: the test's own.
    std::vector<std::string> environment;  // NAME=VALUE, beside the test's own.
  };

  explicit RunningProgram(std::vector<std::string> arguments,
                          const Surroundings& surroundings = {});
  ~RunningProgram();
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  pid_t pid() const { return pid_; }
  // What it has written so far.
  std::string out() const;
  std::string err() const;

  void Signal(int signal) const;
  // Waits for its end; the exit code, or minus the signal. nullopt: it does not end in time.
  absl::optional<int> Wait(absl::Duration timeout = absl::Seconds(30));

 private:
  pid_t pid_ = 0;
  int out_ = -1;
  int err_ = -1;
  absl::optional<int> exit_;
};

// A service as any other program: it says on stdout where it serves.
class AnnouncedService : public RunningProgram {
 public:
  using RunningProgram::RunningProgram;
  // HOST:PORT or unix:PATH, once it serves.
  std::string address() const;
};

// A worker without a front, as for debugging: it serves one session, whose id is 1.
class LoneWorker : public RunningProgram {
 public:
  // `binary` is a path in the workspace.
  explicit LoneWorker(const std::string& binary, const Surroundings& surroundings = {});
  // HOST:PORT, once it serves.
  std::string address() const;
};

// A directory that is gone at the end of the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  // The names in it that begin with `prefix`.
  std::vector<std::string> Entries(const std::string& prefix = "") const;

 private:
  std::string path_;
};

std::string Slurp(const std::string& path);
// Permission bits.
mode_t ModeOf(const std::string& path);

// All processes below `pid`, itself first.
std::vector<pid_t> FamilyOf(pid_t pid);
bool AllGone(const std::vector<pid_t>& processes);

// The simplest call: does the service answer?
grpc::Status GetSpaces(compiler_gym::CompilerGymService::Stub* stub, int* action_spaces = nullptr);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_INTEGRATION_RUNNING_PROGRAM_H_
