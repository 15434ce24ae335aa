#include "frontend/service_manager/service_manager.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/unique_fd.h"
#include "frontend/logging/log.h"

// libsystemd would do, but it is a shared library that brings five others, and each front and
// worker would load them when it starts. The protocol is stable and meant to be spoken by oneself.

namespace holdfast {
namespace {

constexpr char kSocketVariable[] = "NOTIFY_SOCKET";
constexpr absl::Duration kSendTimeout = absl::Seconds(1);

absl::string_view Variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

absl::Status Failed(absl::string_view what, absl::string_view address) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", what, " the service manager at ", address, ": ", strerror(errno)));
}

void NotifyOrLog(absl::string_view state) {
  const absl::Status status = NotifyServiceManager(state);
  if (status.ok()) return;
  LogWarning(Subsystem::kFront, "systemd cannot be told", {{"why", status.message()}});
}

void KeepWatchdog(Clock* clock, absl::Duration period, std::function<bool()> is_alive) {
  if (is_alive()) NotifyOrLog("WATCHDOG=1");
  clock->RunAfter(period, [clock, period, is_alive = std::move(is_alive)]() mutable {
    KeepWatchdog(clock, period, std::move(is_alive));
  });
}

// One line, whatever the reason has.
std::string StatusLine(const Readiness::Snapshot& now) {
  std::string line = absl::StrCat("STATUS=", ReadyStateName(now.state));
  if (!now.reason.empty()) absl::StrAppend(&line, ": ", now.reason);
  return absl::StrReplaceAll(line, {{"\n", " "}});
}

}  // namespace

absl::Status NotifyServiceManager(absl::string_view state) {
  const absl::string_view path = Variable(kSocketVariable);
  if (path.empty()) return absl::OkStatus();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if ((path[0] != '/' && path[0] != '@') || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("$", kSocketVariable, " is ", path,
                                                   ", must begin with / or @ and be at most ",
                                                   sizeof(address.sun_path) - 1, " bytes long"));
  }
  std::copy(path.begin(), path.end(), address.sun_path);
  // An abstract name, which has a NUL byte where it is written with an @, and ends with its length.
  if (path[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());

  const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return Failed("make a socket for", path);
  const timeval timeout = absl::ToTimeval(kSendTimeout);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  if (sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&address), size) < 0) {
    return Failed("notify", path);
  }
  return absl::OkStatus();
}

absl::Duration WatchdogPeriod() {
  // It may have been meant for a parent of ours.
  int64_t pid = 0;
  const absl::string_view owner = Variable("WATCHDOG_PID");
  if (!owner.empty() && (!absl::SimpleAtoi(owner, &pid) || pid != getpid())) {
    return absl::ZeroDuration();
  }
  int64_t microseconds = 0;
  if (!absl::SimpleAtoi(Variable("WATCHDOG_USEC"), &microseconds) || microseconds <= 0) {
    return absl::ZeroDuration();
  }
  return absl::Microseconds(microseconds) / 2;
}

void ReportToServiceManager(Clock* clock, Readiness* readiness, std::function<bool()> is_alive,
                            std::function<void(absl::AnyInvocable<void()>)> post) {
  if (Variable(kSocketVariable).empty()) return;
  NotifyOrLog("READY=1");
  // An observer must not block, as a message to the manager may.
  readiness->Observe([post = std::move(post)](const Readiness::Snapshot& now) {
    post([line = StatusLine(now), is_draining = now.state == ReadyState::kDraining] {
      NotifyOrLog(is_draining ? absl::StrCat("STOPPING=1\n", line) : line);
    });
  });
  const absl::Duration period = WatchdogPeriod();
  if (period > absl::ZeroDuration()) KeepWatchdog(clock, period, std::move(is_alive));
}

}  // namespace holdfast
