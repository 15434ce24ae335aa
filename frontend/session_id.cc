#include "frontend/session_id.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace holdfast {

int64_t RandomSessionId() {
  for (;;) {
    uint64_t bits;
    if (getrandom(&bits, sizeof(bits), 0) == sizeof(bits)) {
      if (const int64_t id = bits >> 1; id != 0) return id;
    } else if (errno != EINTR) {
      // Predictable ids would let clients into each other's sessions. No supported kernel does
      // this.
      std::perror("getrandom");
      std::abort();
    }
  }
}

}  // namespace holdfast
