// What a misbehaving process does, in a form that means the same on every machine and build.
#ifndef HOLDFAST_TESTS_TESTCASES_MISBEHAVIOUR_H_
#define HOLDFAST_TESTS_TESTCASES_MISBEHAVIOUR_H_

#include <sys/types.h>

#include <string>

namespace holdfast {

// Ends this process by a signal, as the kernel would: also where a sanitizer handles the signal.
[[noreturn]] void Die(int signal_number);

[[noreturn]] void Hang();

// Unbuffered, so that nothing is lost when the process dies next.
void WriteToStderr(const std::string& text);

// Leaves a process behind that sleeps for an hour. `leave_group`: in a process group and session of
// its own. `hold_pipes`: with this process's stdout and stderr open. Returns its id.
pid_t ForkSleeper(bool leave_group, bool hold_pipes);

// Likewise, but the process is nobody's child any more. Returns once it is not.
pid_t ForkDaemon();

// Takes so much memory, uses it, and forgets it.
void LeakMemory(size_t bytes);

// Uses CPU time, and no memory, for ever.
[[noreturn]] void BurnCpu();

// Writes zeros to a file in `directory`, 1 MiB at a time, until the kernel objects.
[[noreturn]] void WriteForEver(const std::string& directory);

// Starts a process that waits, each millisecond, for ever; each in a session of its own if
// `leave_group`.
[[noreturn]] void ForkBomb(bool leave_group);

// True for the first process that asks, over all that share the file: it creates the file.
bool IsFirst(const std::string& marker_file);

// Whether the file exists.
bool IsMarked(const std::string& marker_file);

// Likewise for the first `count`: each adds a byte to the file.
bool IsAmongFirst(const std::string& marker_file, int count);

// Makes `directory`, if it is not there, and a new file in it with `text`. Returns its path.
std::string MakeFile(const std::string& directory, const std::string& text);

// Adds a byte to the file MARKER.waiting, then waits until a file MARKER.go exists.
void WaitForGo(const std::string& marker_file);

}  // namespace holdfast

#endif  // HOLDFAST_TESTS_TESTCASES_MISBEHAVIOUR_H_
