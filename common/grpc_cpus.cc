// gRPC has no setting for this, and asks two functions of its own. The linker's --wrap (see
// BUILD.bazel) turns its calls of them into calls of __wrap_ and their name; __real_ is the
// original. To wrap sysconf(), which they ask, would be one function less, but all other libraries
// ask it too.
#include "common/grpc_cpus.h"

#include <climits>

namespace {

unsigned max_cpus = UINT_MAX;

}  // namespace

extern "C" {

unsigned __real_gpr_cpu_num_cores();
unsigned __real_gpr_cpu_current_cpu();

unsigned __wrap_gpr_cpu_num_cores() {
  const unsigned cpus = __real_gpr_cpu_num_cores();
  return cpus < max_cpus ? cpus : max_cpus;
}

// An index into tables of that many entries. Those that static constructors make, before there is
// a limit, are only larger.
unsigned __wrap_gpr_cpu_current_cpu() {
  return __real_gpr_cpu_current_cpu() % __wrap_gpr_cpu_num_cores();
}

}  // extern "C"

namespace holdfast {

void LimitGrpcCpus(unsigned count) { max_cpus = count; }

}  // namespace holdfast
