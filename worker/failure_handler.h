// What a worker says when it dies of a signal.
#ifndef HOLDFAST_WORKER_FAILURE_HANDLER_H_
#define HOLDFAST_WORKER_FAILURE_HANDLER_H_

namespace holdfast {

// From now on the process writes a stack trace to stderr when it gets SIGSEGV, SIGBUS, SIGFPE,
// SIGILL, SIGABRT or SIGTRAP, and then dies of that signal; on this thread also of a stack
// overflow. Call once. Does nothing in sanitizer builds, which do this themselves.
void InstallFailureHandler(const char* argv0);

}  // namespace holdfast

#endif  // HOLDFAST_WORKER_FAILURE_HANDLER_H_
