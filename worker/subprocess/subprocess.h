// Runs another program, as a compiler or a benchmark's command, and leaves nothing of it behind.
#ifndef HOLDFAST_WORKER_SUBPROCESS_SUBPROCESS_H_
#define HOLDFAST_WORKER_SUBPROCESS_SUBPROCESS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace holdfast {

struct SubprocessOptions {
  // The program, looked up in this process's PATH unless it has a slash, and its arguments.
  std::vector<std::string> arguments;
  // Where it runs. Required.
  std::string directory;
  // "NAME=value": all of its environment.
  std::vector<std::string> environment;
  // Then it is killed. Of wall time.
  absl::Duration limit = absl::InfiniteDuration();
  // How much is kept of what it writes to stdout and stderr, from the beginning; the rest is read
  // and dropped.
  size_t max_output_bytes = 1024;
};

struct SubprocessResult {
  int wait_status = 0;       // As waitpid() tells it.
  std::string output;        // stdout and stderr, in the order in which they came.
  absl::Duration wall_time;  // Of the program, without what it took to start it.

  bool succeeded() const { return wait_status == 0; }
  // "exited with code 2", "was ended by Segmentation fault".
  std::string Describe() const;
};

// Runs the program to its end, with /dev/null as stdin, and blocks until then. It has a process
// group of its own, all of which is killed when the program ends, or exceeds its limit, and so is
// what left the group. (If this process ends meanwhile, the program is killed, and the rest is the
// runtime's to find.)
//
// However the program ends is OK. NOT_FOUND: there is no such program. DEADLINE_EXCEEDED: it took
// longer than the limit; the message says so and holds the output. INTERNAL: it could not be
// started. Not to be called by two threads at once.
absl::StatusOr<SubprocessResult> RunSubprocess(const SubprocessOptions& options);

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_SUBPROCESS_SUBPROCESS_H_
