#include "tests/testcases/misbehaviour.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

namespace holdfast {

void Die(int signal_number) {
  signal(signal_number, SIG_DFL);
  raise(signal_number);
  abort();
}

void Hang() {
  for (;;) pause();
}

void WriteToStderr(const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t written = write(STDERR_FILENO, text.data() + done, text.size() - done);
    if (written <= 0) return;
    done += static_cast<size_t>(written);
  }
}

pid_t ForkSleeper(bool leave_group, bool hold_pipes) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  // Other threads may have held locks: only async-signal-safe calls from here on.
  if (leave_group) setsid();
  if (!hold_pipes) syscall(SYS_close_range, 0, ~0U, 0);
  execl("/bin/sleep", "sleep", "3600", nullptr);
  _exit(127);
}

pid_t ForkDaemon() {
  int ends[2];
  if (pipe(ends) != 0) abort();
  const pid_t parent = fork();
  if (parent == 0) {
    const pid_t daemon = ForkSleeper(/*leave_group=*/true, /*hold_pipes=*/false);
    _exit(write(ends[1], &daemon, sizeof(daemon)) == sizeof(daemon) ? 0 : 1);
  }
  pid_t daemon = 0;
  if (read(ends[0], &daemon, sizeof(daemon)) != sizeof(daemon)) abort();
  close(ends[0]);
  close(ends[1]);
  waitpid(parent, nullptr, 0);
  return daemon;
}

void LeakMemory(size_t bytes) {
  auto* const leaked = static_cast<volatile char*>(malloc(bytes));
  for (size_t i = 0; leaked != nullptr && i < bytes; i += 4096) leaked[i] = 1;
}

void BurnCpu() {
  for (volatile uint64_t counter = 0;;) counter = counter + 1;
}

void WriteForEver(const std::string& directory) {
  const std::string path = directory + "/zeros";
  const int fd = open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const std::string zeros(1 << 20, '\0');
  while (fd >= 0 && write(fd, zeros.data(), zeros.size()) > 0) {
  }
  abort();
}

void ForkBomb(bool leave_group) {
  for (;; usleep(1000)) {
    if (_Fork() != 0) continue;
    if (leave_group) setsid();
    Hang();
  }
}

bool IsFirst(const std::string& marker_file) {
  const int fd = open(marker_file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  close(fd);
  return true;
}

bool IsMarked(const std::string& marker_file) { return access(marker_file.c_str(), F_OK) == 0; }

bool IsAmongFirst(const std::string& marker_file, int count) {
  const int fd = open(marker_file.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  struct stat status = {};
  if (fd < 0 || write(fd, ".", 1) != 1 || fstat(fd, &status) != 0) abort();
  close(fd);
  return status.st_size <= count;
}

std::string MakeFile(const std::string& directory, const std::string& text) {
  mkdir(directory.c_str(), 0700);
  std::string path = directory + "/file-XXXXXX";
  const int fd = mkstemp(path.data());
  if (fd < 0 || write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) abort();
  close(fd);
  return path;
}

void WaitForGo(const std::string& marker_file) {
  IsAmongFirst(marker_file + ".waiting", 0);
  while (access((marker_file + ".go").c_str(), F_OK) != 0) usleep(1000);
}

}  // namespace holdfast
