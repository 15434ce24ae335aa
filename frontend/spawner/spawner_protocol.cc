#include "frontend/spawner/spawner_protocol.h"

#include <cstring>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

// Both ends are one build on one machine: numbers go as they are in memory, 64 bits each. A message
// is its kind and its fields; each message names its fields once, for reading and writing alike.
template <typename Codec>
void Fields(Codec& codec, SpawnMessage& message) {
  codec.Number(message.process);
  codec.Strings(message.arguments);
  codec.Strings(message.environment);
  codec.String(message.working_directory);
  codec.Number(message.limits.memory_bytes);
  codec.Number(message.limits.file_bytes);
  codec.Number(message.limits.processes);
}

template <typename Codec>
void Fields(Codec& codec, KillMessage& message) {
  codec.Number(message.process);
}

template <typename Codec>
void Fields(Codec& codec, CleanupMessage& message) {
  codec.String(message.owned.path);
  codec.Number(message.owned.device);
  codec.Number(message.owned.inode);
  codec.Number(message.owned.birth_nanos);
}

template <typename Codec>
void Fields(Codec& codec, CgroupsMessage& message) {
  for (CgroupPlace* place : {&message.tree.memory, &message.tree.pids}) {
    codec.Number(place->version);
    codec.String(place->directory);
  }
}

template <typename Codec>
void Fields(Codec& codec, PingMessage& message) {}

template <typename Codec>
void Fields(Codec& codec, StartedMessage& message) {
  codec.Number(message.process);
  codec.Number(message.pid);
}

template <typename Codec>
void Fields(Codec& codec, ExitedMessage& message) {
  codec.Number(message.process);
  codec.String(message.error);
  codec.Number(message.wait_status);
  codec.Number(message.peak_rss_bytes);
  codec.Number(message.cpu_micros);
  codec.Number(message.memory_limit_hit);
  codec.Number(message.process_limit_hit);
}

class Writer {
 public:
  template <typename T>
  void Number(const T& number) {
    uint64_t wide = static_cast<uint64_t>(number);
    bytes.append(reinterpret_cast<const char*>(&wide), sizeof(wide));
  }
  void String(const std::string& string) {
    if (string.find('\0') != std::string::npos) valid = false;
    Number(string.size());
    bytes.append(string);
  }
  void Strings(const std::vector<std::string>& strings) {
    Number(strings.size());
    for (const std::string& string : strings) String(string);
  }

  std::string bytes;
  bool valid = true;
};

class Reader {
 public:
  explicit Reader(absl::string_view bytes) : rest(bytes) {}

  template <typename T>
  void Number(T& number) {
    uint64_t wide = 0;
    if (rest.size() < sizeof(wide)) {
      valid = false;
      rest = {};
    } else {
      std::memcpy(&wide, rest.data(), sizeof(wide));
      rest.remove_prefix(sizeof(wide));
    }
    number = static_cast<T>(wide);
    if (static_cast<uint64_t>(number) != wide) valid = false;
  }
  void String(std::string& string) {
    size_t size = 0;
    Number(size);
    if (size > rest.size()) {
      valid = false;
      return;
    }
    string.assign(rest.data(), size);
    rest.remove_prefix(size);
    if (string.find('\0') != std::string::npos) valid = false;
  }
  void Strings(std::vector<std::string>& strings) {
    size_t count = 0;
    Number(count);
    while (valid && count-- > 0) String(strings.emplace_back());
  }

  absl::string_view rest;
  bool valid = true;
};

// Reads the alternative number `kind`.
template <size_t I = 0>
bool ReadAlternative(uint64_t kind, Reader& reader, ControlMessage& message) {
  if constexpr (I < std::variant_size_v<ControlMessage>) {
    if (kind != I) return ReadAlternative<I + 1>(kind, reader, message);
    Fields(reader, message.emplace<I>());
    return reader.valid && reader.rest.empty();
  } else {
    return false;
  }
}

}  // namespace

absl::StatusOr<std::string> EncodeControlMessage(const ControlMessage& message) {
  Writer writer;
  writer.Number(message.index());
  std::visit(
      [&writer](const auto& alternative) {
        using Message = std::decay_t<decltype(alternative)>;
        // Fields() serves the reader too, which fills the message in; the writer only looks.
        Fields(writer, const_cast<Message&>(alternative));
      },
      message);
  if (!writer.valid) return absl::InvalidArgumentError("a string has a NUL in it");
  if (writer.bytes.size() > kMaxControlMessageBytes) {
    return absl::InvalidArgumentError(absl::StrCat("arguments, environment and directory take ",
                                                   writer.bytes.size(), " bytes; at most ",
                                                   kMaxControlMessageBytes, " fit"));
  }
  return std::move(writer.bytes);
}

absl::StatusOr<ControlMessage> DecodeControlMessage(absl::string_view bytes) {
  Reader reader(bytes);
  uint64_t kind = 0;
  reader.Number(kind);
  ControlMessage message;
  if (!reader.valid || bytes.size() > kMaxControlMessageBytes ||
      !ReadAlternative(kind, reader, message)) {
    return absl::InvalidArgumentError("malformed control message");
  }
  return message;
}

}  // namespace holdfast
