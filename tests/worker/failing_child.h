// Runs what ends its process in a child, and tells how that went.
#ifndef HOLDFAST_TESTS_WORKER_FAILING_CHILD_H_
#define HOLDFAST_TESTS_WORKER_FAILING_CHILD_H_

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "worker/failure_handler.h"

namespace holdfast {

struct ChildEnd {
  int status = 0;  // As wait(2) has it.
  std::string errors;
  absl::Duration took;
};

// With the worker's handlers. A body that comes to its end exits with 0. Not inlined, so that the
// trace has it.
[[gnu::noinline]] inline ChildEnd RunInChild(const std::function<void()>& body) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const absl::Time start = absl::Now();
  const pid_t pid = fork();
  if (pid == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    InstallFailureHandler("/proc/self/exe");
    body();
    _exit(0);
  }
  close(ends[1]);
  ChildEnd end;
  char buffer[4096];
  for (ssize_t count; (count = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    end.errors.append(buffer, count);
  }
  close(ends[0]);
  EXPECT_EQ(waitpid(pid, &end.status, 0), pid);
  end.took = absl::Now() - start;
  return end;
}

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_WORKER_FAILING_CHILD_H_
