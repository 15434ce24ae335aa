// What the front and its spawner process tell each other: one message is one packet.
#ifndef HOLDFAST_FRONTEND_SPAWNER_SPAWNER_PROTOCOL_H_
#define HOLDFAST_FRONTEND_SPAWNER_SPAWNER_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "frontend/process_spawner.h"
#include "frontend/spawner/cgroup.h"
#include "frontend/spawner/owned_path.h"

namespace holdfast {

// A packet must fit into the socket's buffer as a whole, so this bounds a process's arguments and
// environment. The default buffer is three times as large.
constexpr size_t kMaxControlMessageBytes = 64 * 1024;

// argv[0] of the spawner process, for ps(1). All that it is told otherwise are messages.
constexpr char kSpawnerName[] = "holdfast-spawner";

// --- From the front.

// Carries these descriptors, in this order.
enum SpawnFd { kBinaryFd, kLinkFd, kStdoutFd, kStderrFd, kSpawnFds };

struct SpawnMessage {
  uint64_t process = 0;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::string working_directory;
  ProcessLimits limits;
};

struct KillMessage {
  uint64_t process = 0;
};

// To be removed when everything has ended.
struct CleanupMessage {
  OwnedPath owned;
};

// Where the cgroups of workers are made from now on. What is there is an earlier spawner's.
struct CgroupsMessage {
  Cgroups tree;
};

// The spawner answers with the same: so the front knows that it is not stuck.
struct PingMessage {};

// --- From the spawner.

// Carries a pidfd, if the kernel has them.
struct StartedMessage {
  uint64_t process = 0;
  int32_t pid = 0;
};

struct ExitedMessage {
  uint64_t process = 0;
  std::string error;        // Not empty: it was never started.
  int32_t wait_status = 0;  // As wait(2) has it.
  int64_t peak_rss_bytes = 0;
  int64_t cpu_micros = 0;
  bool memory_limit_hit = false;
  bool process_limit_hit = false;
};

using ControlMessage = std::variant<SpawnMessage, KillMessage, CleanupMessage, CgroupsMessage,
                                    PingMessage, StartedMessage, ExitedMessage>;

// INVALID_ARGUMENT for what does not fit, and for strings with a NUL in them.
absl::StatusOr<std::string> EncodeControlMessage(const ControlMessage& message);

// INVALID_ARGUMENT for anything that EncodeControlMessage would not have made.
absl::StatusOr<ControlMessage> DecodeControlMessage(absl::string_view bytes);

}  // namespace holdfast

#endif  // HOLDFAST_FRONTEND_SPAWNER_SPAWNER_PROTOCOL_H_
