// What the spawner does with the kernel: starts a worker, and finds whose parent it has become.
#ifndef HOLDFAST_FRONTEND_SPAWNER_CHILD_PROCESS_H_
#define HOLDFAST_FRONTEND_SPAWNER_CHILD_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace holdfast {

// Everything is borrowed for the time of the call.
struct ChildRequest {
  const std::vector<std::string>& arguments;
  const std::vector<std::string>& environment;
  const std::string& working_directory;
  int binary;
  int link;
  int stdout_fd;
  int stderr_fd;
  const std::vector<UniqueFd>& cgroup_entries;  // See OpenCgroupEntries.
  int64_t file_bytes = 0;                       // The largest file that it may write; 0: any.
  int64_t data_bytes = 0;                       // Private memory, used or not; 0: any.
};

struct ChildProcess {
  pid_t pid = 0;
  // Non-blocking. Ends without a byte when the program runs, or after the reason why it does not.
  UniqueFd start_result;
};

// Forks a child that becomes the leader of a process group of its own, dies with this process, is
// the first to go when memory runs out, leaves no core dump, and has stdin from /dev/null, its
// output as given, the link as fd 3 and nothing else open, its limits and its cgroups; then
// executes the binary.
//
// The binary is executed by its descriptor: what is at its path now does not matter. A script
// ("#!") keeps that descriptor open, because its interpreter reads it as /dev/fd/N; any other
// program does not see it.
//
// For a process with one thread. The caller has no descriptors that must not be closed on exec.
absl::StatusOr<ChildProcess> StartChild(const ChildRequest& request);

enum class StartState { kPending, kRunning, kFailed };

// Looks at `start_result`; `error` is set for kFailed.
StartState ReadStartResult(int start_result, std::string* error);

// The children of this process (of one thread), zombies too. One that comes while this looks may be
// missed; it is seen at the next look.
std::vector<pid_t> ListChildren();

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SPAWNER_CHILD_PROCESS_H_
