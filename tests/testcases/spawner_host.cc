// A program with the role of the spawner, and a small front to be killed:
//   spawner_host VICTIM DIRECTORY SOCKET
// starts processes, prints the pid of each and of the spawner, then "ready".
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/strip.h"
#include "common/roles.h"
#include "frontend/event_loop.h"
#include "frontend/spawner/spawner_client.h"
#include "frontend/spawner/spawner_process.h"

namespace holdfast {
namespace {

void Print(absl::string_view line) {
  std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
  std::fflush(stdout);
}

int RunFront(const char* victim, const char* directory, const char* socket) {
  EventLoop loop;
  int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  int binary = open(victim, O_RDONLY | O_CLOEXEC);
  SpawnerClient client(&loop, self);
  if (!client.Start().ok() || !client.RemoveAtEnd(directory).ok() ||
      !client.RemoveAtEnd(socket).ok()) {
    return 1;
  }
  Print(std::to_string(client.spawner_pid()));
  int reports = 0;
  auto report = [&](absl::string_view line) {
    Print(line);
    if (++reports == 6) Print("ready");
  };
  // Each says its pid by being started, and one line of its own.
  for (const char* mode : {"ignore", "grandchild", "daemon"}) {
    auto link = MakeSocketPair(SOCK_STREAM);
    if (!link.ok()) return 1;
    // Limits that nobody meets, so that there are cgroups where they can be made.
    ProcessRequest request{{"victim", mode}, {}, directory, binary, std::move(link->second),
                           {1 << 30, 0, 100}};
    ProcessSpawner::Events events;
    events.on_started = [&](pid_t pid) { report(std::to_string(pid)); };
    events.on_output = [&](bool, absl::string_view line) {
      absl::ConsumeSuffix(&line, "\n");
      report(line == "ready" ? "" : line);
    };
    client.Spawn(std::move(request), std::move(events));
  }
  loop.Run();
  return 0;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  if (holdfast::TakeRole(&argc, argv) == holdfast::Role::kSpawner) {
    return holdfast::RunSpawner(holdfast::kSpawnerControlFd);
  }
  if (argc != 4) return 2;
  return holdfast::RunFront(argv[1], argv[2], argv[3]);
}
