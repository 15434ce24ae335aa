// A small program that does to its spawner what workers do: process_victim MODE [ARGUMENT].
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

extern char** environ;

namespace {

[[noreturn]] void PauseForEver() {
  for (;;) pause();
}

void Print(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

// Forks a process that stays, and says its pid when it is what it should be.
void ForkGrandchild(bool new_session) {
  int ready[2];
  if (pipe(ready) != 0) std::abort();
  pid_t pid = fork();
  if (pid == 0) {
    if (new_session) setsid();
    close(ready[0]);
    close(ready[1]);
    PauseForEver();
  }
  close(ready[1]);
  char byte;
  if (read(ready[0], &byte, 1) != 0) std::abort();
  Print(std::to_string(pid));
}

// The descriptors that are open, but for the one that looks.
std::string OpenDescriptors() {
  DIR* dir = opendir("/proc/self/fd");
  std::vector<int> fds;
  while (const dirent* entry = readdir(dir)) {
    int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != dirfd(dir)) fds.push_back(fd);
  }
  closedir(dir);
  std::sort(fds.begin(), fds.end());
  std::string list;
  for (int fd : fds) list += " " + std::to_string(fd);
  return list;
}

std::string ReadLine(const char* path) {
  char line[256] = "";
  FILE* file = std::fopen(path, "r");
  if (file == nullptr || std::fgets(line, sizeof(line), file) == nullptr) return "?";
  std::fclose(file);
  return std::string(line, std::strcspn(line, "\n"));
}

int Describe(int argc, char** argv) {
  for (int i = 0; i < argc; ++i) Print(std::string("argument ") + argv[i]);
  for (char** name = environ; *name != nullptr; ++name) Print(std::string("environment ") + *name);
  char directory[4096];
  Print(std::string("directory ") + (getcwd(directory, sizeof(directory)) ? directory : "?"));
  Print("descriptors" + OpenDescriptors());
  char target[4096] = "";
  if (readlink("/proc/self/fd/0", target, sizeof(target) - 1) < 0) std::abort();
  Print(std::string("stdin ") + target);
  Print(std::string("leads its group ") + (getpgrp() == getpid() ? "yes" : "no"));
  int death_signal = 0;
  prctl(PR_GET_PDEATHSIG, &death_signal);
  Print("death signal " + std::to_string(death_signal));
  Print("oom " + ReadLine("/proc/self/oom_score_adj"));
  rlimit core{};
  getrlimit(RLIMIT_CORE, &core);
  Print("core " + std::to_string(core.rlim_cur) + " " + std::to_string(core.rlim_max));
  sigset_t mask;
  sigprocmask(SIG_SETMASK, nullptr, &mask);
  std::string odd;
  for (int signal = 1; signal < 32; ++signal) {
    struct sigaction action {};
    sigaction(signal, nullptr, &action);
    if (sigismember(&mask, signal) == 1 || action.sa_handler == SIG_IGN) {
      odd += " " + std::string(sigabbrev_np(signal));
    }
  }
  Print("signals ignored or blocked:" + odd);
  return 0;
}

int Flood(size_t bytes) {
  std::string block(4096, 'x');
  for (size_t written = 0; written < bytes;) {
    ssize_t size = write(STDOUT_FILENO, block.data(), std::min(block.size(), bytes - written));
    if (size <= 0) return 1;
    written += static_cast<size_t>(size);
  }
  return 0;
}

// Reads a byte from the link, which does not block, and answers with another.
int Echo() {
  pollfd wait{3, POLLIN, 0};
  poll(&wait, 1, -1);
  char byte;
  if (read(3, &byte, 1) != 1) return 1;
  ++byte;
  return write(3, &byte, 1) == 1 ? 0 : 1;
}

int UseMemory(size_t bytes) {
  std::vector<char> memory(bytes);
  for (size_t i = 0; i < bytes; i += 4096) static_cast<volatile char*>(memory.data())[i] = 1;
  for (clock_t start = clock(); clock() - start < CLOCKS_PER_SEC / 20;) {
  }
  return 0;
}

void TouchMemory(size_t bytes) {
  auto* memory = static_cast<volatile char*>(std::malloc(bytes));
  if (memory == nullptr) std::abort();
  for (size_t i = 0; i < bytes; i += 4096) memory[i] = 1;
}

// A child meets the limit of memory; this process says how it ended, and stays.
void LoseChild(size_t bytes) {
  const pid_t child = fork();
  if (child == 0) {
    TouchMemory(bytes);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  Print("child " + std::to_string(WIFSIGNALED(status) ? WTERMSIG(status) : 0));
}

// Starts processes that do the same, each in a session of its own, and never gives up.
[[noreturn]] void BombWithForks() {
  const pid_t first = getpid();
  bool told = false;
  for (;;) {
    const pid_t pid = fork();
    if (pid == 0) setsid();
    if (pid < 0 && getpid() == first && !told) {
      told = true;
      Print("refused");
    }
    if (pid < 0) usleep(1000);
  }
}

// Three children that share all of this process's memory, as they have it from fork.
void ShareMemory(size_t bytes) {
  TouchMemory(bytes);
  for (int i = 0; i < 3; ++i) {
    if (fork() == 0) PauseForEver();
  }
}

// Half of it by a child that has ended and been waited for.
void UseTime(double seconds) {
  auto burn = [](double until) {
    while (static_cast<double>(clock()) < until * CLOCKS_PER_SEC) {
    }
  };
  const pid_t child = fork();
  if (child == 0) {
    burn(seconds / 2);
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  burn(seconds / 2);
}

// Into a file in its directory. Ignores the signal of the limit if `stubborn`.
int WriteFile(size_t bytes, bool stubborn) {
  if (stubborn) ::signal(SIGXFSZ, SIG_IGN);
  const int file = open("file", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const std::string block(4096, 'x');
  for (size_t written = 0; written < bytes;) {
    const ssize_t size = write(file, block.data(), std::min(block.size(), bytes - written));
    if (size <= 0) return 1;
    written += static_cast<size_t>(size);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string mode = argc > 1 ? argv[1] : "";
  std::string argument = argc > 2 ? argv[2] : "";
  if (mode == "exit") return std::atoi(argument.c_str());
  if (mode == "abort") std::abort();
  if (mode == "die") {
    std::fprintf(stderr, "%s\n", argument.c_str());
    std::abort();
  }
  if (mode == "describe") return Describe(argc, argv);
  if (mode == "flood") return Flood(std::strtoul(argument.c_str(), nullptr, 10));
  if (mode == "echo") return Echo();
  const size_t number = std::strtoul(argument.c_str(), nullptr, 10);
  if (mode == "write") return WriteFile(number, argc > 3);
  if (mode == "fork_bomb") BombWithForks();
  if (mode == "hold") TouchMemory(number);
  if (mode == "share") ShareMemory(number);
  if (mode == "burn") UseTime(static_cast<double>(number) / 1000);
  if (mode == "lose_child") LoseChild(number);
  if (mode == "hold" || mode == "share" || mode == "burn" || mode == "lose_child") {
    Print("ready");
    PauseForEver();
  }
  if (mode == "memory") return UseMemory(std::strtoul(argument.c_str(), nullptr, 10));
  if (mode == "grandchild" || mode == "daemon") {
    ForkGrandchild(mode == "daemon");
    if (argument == "exit") return 0;
    PauseForEver();
  }
  if (mode == "ignore") {
    for (int signal = 1; signal < 32; ++signal) ::signal(signal, SIG_IGN);
    Print("ready");
  }
  if (mode == "ignore" || mode == "sleep") PauseForEver();
  return 99;
}
