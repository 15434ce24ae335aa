// Preloaded into a program, makes it believe in 64 CPUs, of which it runs on the last.
#include <sched.h>
#include <unistd.h>

namespace {

constexpr int kCpus = 64;

}  // namespace

extern "C" {

long __sysconf(int name);  // glibc's own name of what is replaced here.

long sysconf(int name) {
  return name == _SC_NPROCESSORS_CONF || name == _SC_NPROCESSORS_ONLN ? kCpus : __sysconf(name);
}

int sched_getcpu() { return kCpus - 1; }

}  // extern "C"
