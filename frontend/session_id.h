// Names for sessions.
#ifndef HOLDFAST_FRONTEND_SESSION_ID_H_
#define HOLDFAST_FRONTEND_SESSION_ID_H_

#include <cstdint>

namespace holdfast {

// A random number of 63 bits, never 0, from the kernel's generator: ids are unique over restarts
// and machines, and knowing some does not help to guess others. Thread-safe; one short system call.
int64_t RandomSessionId();

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SESSION_ID_H_
