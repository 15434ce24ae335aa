// A program that runs beside the test, with whatever arguments and surroundings.
#ifndef HOLDFAST_TESTS_INTEGRATION_RUNNING_PROGRAM_H_
#define HOLDFAST_TESTS_INTEGRATION_RUNNING_PROGRAM_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/optional.h"

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

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_INTEGRATION_RUNNING_PROGRAM_H_
