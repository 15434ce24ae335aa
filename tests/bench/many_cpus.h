// Processes that believe in a machine of 64 CPUs.
#ifndef HOLDFAST_TESTS_BENCH_MANY_CPUS_H_
#define HOLDFAST_TESTS_BENCH_MANY_CPUS_H_

#include <string>

#include "tests/integration/running_program.h"

namespace holdfast {

// NAME=VALUE, for the environment of a program that should believe in them.
std::string ManyCpusVariable();

// A --worker that believes in them, while its front does not. The front passes few variables on,
// so this is a script that sets the one.
class ManyCpusWorker {
 public:
  // `binary` is a path in the workspace.
  explicit ManyCpusWorker(const std::string& binary);
  std::string path() const { return directory_ / "worker"; }

 private:
  const TemporaryDirectory directory_;
};

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_BENCH_MANY_CPUS_H_
