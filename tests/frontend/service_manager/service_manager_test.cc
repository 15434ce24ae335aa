#include "frontend/service_manager/service_manager.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/unique_fd.h"
#include "frontend/fake_clock.h"
#include "frontend/health/readiness.h"

namespace holdfast {
namespace {

// The receiving end, as the service manager has it.
class Manager {
 public:
  // `address` as in $NOTIFY_SOCKET: with an @ in front if it is an abstract name.
  explicit Manager(const std::string& address)
      : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::copy(address.begin(), address.end(), name.sun_path);
    if (address[0] == '@') name.sun_path[0] = '\0';
    const size_t size = offsetof(sockaddr_un, sun_path) + address.size();
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&name), static_cast<socklen_t>(size)), 0);
  }

  // The oldest message, or an empty one.
  std::string Receive() {
    char buffer[4096];
    const ssize_t size = recv(fd_.get(), buffer, sizeof(buffer), 0);
    return size < 0 ? "" : std::string(buffer, static_cast<size_t>(size));
  }

 private:
  const UniqueFd fd_;
};

class ServiceManagerTest : public testing::Test {
 protected:
  ServiceManagerTest() { Clear(); }
  ~ServiceManagerTest() override {
    Clear();
    unlink(path_.c_str());
  }

  static void Clear() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }
  static void Set(const char* name, const std::string& value) { setenv(name, value.c_str(), 1); }

  const std::string path_ = absl::StrCat("/tmp/holdfast-notify-", getpid());
};

TEST_F(ServiceManagerTest, SendsEachStateAsOneMessage) {
  for (const std::string& address : {path_, absl::StrCat("@holdfast-notify-", getpid())}) {
    SCOPED_TRACE(address);
    Manager manager(address);
    Set("NOTIFY_SOCKET", address);
    EXPECT_TRUE(NotifyServiceManager("READY=1\nSTATUS=serves on 127.0.0.1:50051").ok());
    EXPECT_TRUE(NotifyServiceManager("STOPPING=1").ok());
    EXPECT_EQ(manager.Receive(), "READY=1\nSTATUS=serves on 127.0.0.1:50051");
    EXPECT_EQ(manager.Receive(), "STOPPING=1");
    EXPECT_EQ(manager.Receive(), "");
  }
}

TEST_F(ServiceManagerTest, TakesAnAddressAsLongAsCanBe) {
  const std::string address = absl::StrCat("@", getpid(), std::string(80, 'x'));
  const std::string longest = address + std::string(107 - address.size(), 'y');
  Manager manager(longest);
  Set("NOTIFY_SOCKET", longest);
  EXPECT_TRUE(NotifyServiceManager("READY=1").ok());
  EXPECT_EQ(manager.Receive(), "READY=1");
}

TEST_F(ServiceManagerTest, NeedsNoManager) {
  EXPECT_TRUE(NotifyServiceManager("READY=1").ok());
  Set("NOTIFY_SOCKET", "");
  EXPECT_TRUE(NotifyServiceManager("READY=1").ok());
}

TEST_F(ServiceManagerTest, RefusesWhatIsNoAddress) {
  for (const std::string& address : {std::string("run/notify"), "/" + std::string(107, 'x')}) {
    Set("NOTIFY_SOCKET", address);
    const absl::Status status = NotifyServiceManager("READY=1");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), address)) << status;
  }
}

TEST_F(ServiceManagerTest, SaysThatNobodyListens) {
  Set("NOTIFY_SOCKET", path_);
  const absl::Status status = NotifyServiceManager("READY=1");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), path_)) << status;
}

TEST_F(ServiceManagerTest, DoesNotWaitLongForAManagerThatHangs) {
  const Manager manager(path_);
  Set("NOTIFY_SOCKET", path_);
  absl::Status status;
  absl::Duration took;
  // Messages that nobody reads, until the kernel takes no more.
  for (int i = 0; status.ok() && i < 100000; ++i) {
    const absl::Time start = absl::Now();
    status = NotifyServiceManager("WATCHDOG=1");
    took = absl::Now() - start;
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_GT(took, absl::Milliseconds(900));
  EXPECT_LT(took, absl::Seconds(10));
}

TEST_F(ServiceManagerTest, ReadsTheWatchdogsPeriod) {
  EXPECT_EQ(WatchdogPeriod(), absl::ZeroDuration());
  Set("WATCHDOG_USEC", "30000000");
  EXPECT_EQ(WatchdogPeriod(), absl::Seconds(15));
  Set("WATCHDOG_PID", absl::StrCat(getpid()));
  EXPECT_EQ(WatchdogPeriod(), absl::Seconds(15));
  Set("WATCHDOG_PID", absl::StrCat(getppid()));  // Meant for another process.
  EXPECT_EQ(WatchdogPeriod(), absl::ZeroDuration());
  unsetenv("WATCHDOG_PID");
  for (const char* period : {"", "0", "-1", "soon"}) {
    Set("WATCHDOG_USEC", period);
    EXPECT_EQ(WatchdogPeriod(), absl::ZeroDuration()) << period;
  }
}

TEST_F(ServiceManagerTest, ReportsReadinessDrainAndWatchdog) {
  Manager manager(path_);
  Set("NOTIFY_SOCKET", path_);
  Set("WATCHDOG_USEC", "60000000");
  FakeClock clock;
  Readiness readiness;
  bool is_alive = true;
  ReportToServiceManager(
      &clock, &readiness, [&is_alive] { return is_alive; },
      [](absl::AnyInvocable<void()> work) { work(); });
  EXPECT_EQ(manager.Receive(), "READY=1");
  EXPECT_EQ(manager.Receive(), "STATUS=starting: no worker has answered yet");
  EXPECT_EQ(manager.Receive(), "WATCHDOG=1");
  readiness.SetReady();
  EXPECT_EQ(manager.Receive(), "STATUS=ready");
  readiness.SetNotReady("the worker says:\nREADY=0");
  EXPECT_EQ(manager.Receive(), "STATUS=not_ready: the worker says: READY=0");
  clock.Advance(absl::Seconds(29));
  EXPECT_EQ(manager.Receive(), "");
  clock.Advance(absl::Seconds(31));
  EXPECT_EQ(manager.Receive(), "WATCHDOG=1");
  EXPECT_EQ(manager.Receive(), "WATCHDOG=1");
  is_alive = false;
  clock.Advance(absl::Seconds(60));
  EXPECT_EQ(manager.Receive(), "") << "it had better be started anew";
  readiness.SetDraining();
  EXPECT_TRUE(absl::StartsWith(manager.Receive(), "STOPPING=1\nSTATUS=draining: "));
  EXPECT_EQ(manager.Receive(), "");
}

TEST_F(ServiceManagerTest, ReportsNothingWithoutAManager) {
  Set("WATCHDOG_USEC", "60000000");
  FakeClock clock;
  Readiness readiness;
  ReportToServiceManager(
      &clock, &readiness, [] { return true; }, [](auto) { ADD_FAILURE(); });
  readiness.SetReady();
  EXPECT_EQ(clock.pending(), 0u);
}

}  // namespace
}  // namespace holdfast
