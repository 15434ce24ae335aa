// The listener, with real sockets and the real loop.
#include "frontend/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "frontend/logging/log.h"

namespace holdfast {
namespace {

using testing::AllOf;
using testing::HasSubstr;

UniqueFd Connect(int family, const void* address, socklen_t size) {
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_TRUE(fd);
  if (connect(fd.get(), static_cast<const sockaddr*>(address), size) != 0) fd.reset();
  return fd;
}

UniqueFd ConnectToPort(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return Connect(AF_INET, &address, sizeof(address));
}

UniqueFd ConnectToPort6(int port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = in6addr_loopback;
  return Connect(AF_INET6, &address, sizeof(address));
}

UniqueFd ConnectToPath(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return Connect(AF_UNIX, &address, sizeof(address));
}

int Option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

class ListenerTest : public testing::Test {
 protected:
  ~ListenerTest() override { unlink(path_.c_str()); }

  std::unique_ptr<Listener> Open(const std::string& address) {
    auto listener = Listener::Open(&loop_, address);
    EXPECT_TRUE(listener.ok()) << listener.status();
    return listener.ok() ? *std::move(listener) : nullptr;
  }
  // Runs the loop until so many connections were accepted in all.
  void RunUntilAccepted(size_t count) {
    expected_ = count;
    const Clock::TimerId timer = loop_.RunAfter(absl::Minutes(1), [this] { loop_.Stop(); });
    loop_.Run();
    loop_.Cancel(timer);
    EXPECT_EQ(accepted_.size(), count);
  }
  Listener::Handler Keep() {
    return [this](UniqueFd connection) {
      accepted_.push_back(std::move(connection));
      if (accepted_.size() == expected_) loop_.Stop();
    };
  }
  // That `client` and the last accepted connection are the two ends of one.
  void ExpectConnected(const UniqueFd& client) {
    ASSERT_FALSE(accepted_.empty());
    EXPECT_EQ(write(client.get(), "x", 1), 1);
    char byte = 0;
    EXPECT_EQ(recv(accepted_.back().get(), &byte, 1, MSG_DONTWAIT), 1);
    EXPECT_EQ(byte, 'x');
  }

  // Not in the test's own directory, whose name is too long for a socket.
  const std::string path_ = absl::StrCat("/tmp/holdfast-listener-test-", getpid());
  EventLoop loop_;
  std::vector<UniqueFd> accepted_;
  size_t expected_ = 0;
};

TEST_F(ListenerTest, AcceptsOnAPortOfItsChoice) {
  const auto listener = Open("127.0.0.1:0");
  ASSERT_GT(listener->port(), 0);
  const UniqueFd early = ConnectToPort(listener->port());  // It waits.
  EXPECT_TRUE(early);
  listener->Start(Keep());
  RunUntilAccepted(1);
  ExpectConnected(early);
  const UniqueFd client = ConnectToPort(listener->port());
  RunUntilAccepted(2);
  ExpectConnected(client);
  const int fd = accepted_.back().get();
  EXPECT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  EXPECT_NE(Option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
}

TEST_F(ListenerTest, AcceptsOnIpv6) {
  const auto listener = Open("[::1]:0");
  listener->Start(Keep());
  const UniqueFd client = ConnectToPort6(listener->port());
  RunUntilAccepted(1);
  ExpectConnected(client);
  EXPECT_FALSE(ConnectToPort(listener->port()));
}

TEST_F(ListenerTest, ResolvesNames) {
  const auto listener = Open("localhost:0");
  listener->Start(Keep());
  const UniqueFd client = ConnectToPort(listener->port());
  RunUntilAccepted(1);
  ExpectConnected(client);
}

TEST_F(ListenerTest, UnixSocketIsItsUsersOwnWhateverTheUmask) {
  const mode_t umask_before = umask(0);
  const auto listener = Open("unix:" + path_);
  umask(umask_before);
  EXPECT_EQ(listener->port(), 0);
  struct stat found {};
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600u);
  listener->Start(Keep());
  const UniqueFd client = ConnectToPath(path_);
  RunUntilAccepted(1);
  ExpectConnected(client);
}

TEST_F(ListenerTest, ReplacesASocketThatWasLeftButNothingElse) {
  Open("unix:" + path_).reset();
  EXPECT_FALSE(ConnectToPath(path_));
  EXPECT_TRUE(Open("unix:" + path_));
  unlink(path_.c_str());
  std::ofstream(path_) << "precious";
  EXPECT_THAT(std::string(Listener::Open(&loop_, "unix:" + path_).status().message()),
              HasSubstr("Address already in use"));
  EXPECT_EQ(access(path_.c_str(), F_OK), 0);
}

TEST_F(ListenerTest, LeavesASocketToWhoListensOnIt) {
  const auto listener = Open("unix:" + path_);
  const absl::Status status = Listener::Open(&loop_, "unix:" + path_).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(status.message(), absl::StrCat("--listen: cannot listen on unix:", path_,
                                           ": another process listens on it"));
  listener->Start(Keep());
  RunUntilAccepted(1);  // Of who has asked whether anybody is there.
  const UniqueFd client = ConnectToPath(path_);
  RunUntilAccepted(2);
  ExpectConnected(client);
}

TEST_F(ListenerTest, TwoCannotShareAPort) {
  const auto listener = Open("127.0.0.1:0");
  listener->Start(Keep());
  for (const char* host : {"127.0.0.1", "localhost", "0.0.0.0"}) {
    const std::string address = absl::StrCat(host, ":", listener->port());
    const absl::Status status = Listener::Open(&loop_, address).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_EQ(status.message(),
              absl::StrCat("--listen: cannot listen on ", address, ": Address already in use"));
  }
}

TEST_F(ListenerTest, BadAddressesAreNamed) {
  for (const std::string address :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", ":0", "::1:0", "[::1:0",
        "192.0.2.1:0", "no-such-host.invalid:0", "unix:", "unix:/dev/null/socket"}) {
    const absl::Status status = Listener::Open(&loop_, address).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr("--listen: cannot listen on " + address));
  }
  const std::string long_path = "unix:/" + std::string(107, 'x');
  EXPECT_THAT(std::string(Listener::Open(&loop_, long_path).status().message()),
              HasSubstr("the path has 108 bytes, must have 1 to 107"));
}

TEST_F(ListenerTest, ErrorsAreAboutTheFlag) {
  const absl::Status status = Listener::Open(&loop_, "unix:", "--admin_socket").status();
  EXPECT_THAT(std::string(status.message()), testing::StartsWith("--admin_socket: cannot listen"));
}

TEST_F(ListenerTest, RefusesWhenItIsGone) {
  auto listener = Open("127.0.0.1:0");
  const int port = listener->port();
  listener->Start(Keep());
  listener.reset();
  EXPECT_FALSE(ConnectToPort(port));
}

TEST_F(ListenerTest, ManyWhoWaitDoNotHoldTheLoopUp) {
  constexpr size_t kClients = 200;
  const auto listener = Open("127.0.0.1:0");
  std::vector<UniqueFd> clients;
  for (size_t i = 0; i < kClients; ++i) clients.push_back(ConnectToPort(listener->port()));
  size_t accepted_before_others = 0;
  listener->Start([&, keep = Keep()](UniqueFd connection) mutable {
    if (accepted_.empty()) loop_.Post([&] { accepted_before_others = accepted_.size(); });
    keep(std::move(connection));
  });
  RunUntilAccepted(kClients);
  EXPECT_GT(accepted_before_others, 0u);
  EXPECT_LT(accepted_before_others, kClients / 2);
}

// ---- No descriptors left ----

class ListenerShortageTest : public ListenerTest {
 protected:
  ListenerShortageTest() {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    // UBSan needs descriptors to look at the first object of a type: here, at those of the log.
    LogWarning(Subsystem::kListener, "descriptors are about to run out");
  }
  ~ListenerShortageTest() override { End(); }

  // The limit is one on numbers: what is free now is forbidden.
  void Begin() {
    const UniqueFd first_free(open("/dev/null", O_RDONLY | O_CLOEXEC));
    const rlimit limit{static_cast<rlim_t>(first_free.get()), before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  void End() { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }
  // Runs some rounds of the loop: in each it looks at the sockets.
  void RunRounds(int rounds) {
    if (rounds == 0) {
      loop_.Stop();
    } else {
      loop_.Post([this, rounds] { RunRounds(rounds - 1); });
    }
  }

  rlimit before_ = {};
};

TEST_F(ListenerShortageTest, ClientsWaitUntilThereAreDescriptorsAgain) {
  const auto listener = Open("127.0.0.1:0");
  listener->Start(Keep());
  for (size_t episode = 1; episode <= 2; ++episode) {
    testing::internal::CaptureStderr();
    UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(listener->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // No descriptor may be needed between here and End().
    Begin();
    EXPECT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    RunRounds(10);
    loop_.Run();
    EXPECT_EQ(accepted_.size(), episode - 1);
    char byte = 0;
    EXPECT_EQ(recv(client.get(), &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN) << "the connection was cut";
    End();
    const std::string log = testing::internal::GetCapturedStderr();
    if (episode == 1) {
      EXPECT_THAT(log,
                  AllOf(HasSubstr("cannot accept connections"), HasSubstr("Too many open files")));
    } else {
      EXPECT_EQ(log, "") << "warned too often";
    }
    RunUntilAccepted(episode);
    ExpectConnected(client);
  }
}

TEST_F(ListenerShortageTest, MayEndInAPause) {
  auto listener = Open("127.0.0.1:0");
  listener->Start(Keep());
  const UniqueFd client = ConnectToPort(listener->port());
  Begin();
  RunRounds(10);
  loop_.Run();
  End();
  listener.reset();
  // The end of the pause meets nobody.
  loop_.RunAfter(absl::Milliseconds(200), [this] { loop_.Stop(); });
  loop_.Run();
  EXPECT_TRUE(accepted_.empty());
}

}  // namespace
}  // namespace holdfast
