#include "frontend/spawner/worker_link.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

int FamilyOf(const UniqueFd& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  EXPECT_EQ(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  return address.ss_family;
}

void Await(const UniqueFd& socket, int events) {
  pollfd awaited{socket.get(), static_cast<decltype(pollfd::events)>(events), 0};
  ASSERT_EQ(poll(&awaited, 1, /*timeout=*/10000), 1);
}

void ExpectGood(const FdPair& link) {
  for (const auto& [from, to] : {std::make_pair(link.first.get(), link.second.get()),
                                 std::make_pair(link.second.get(), link.first.get())}) {
    EXPECT_NE(fcntl(from, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(from, F_GETFD) & FD_CLOEXEC, 0);
    ASSERT_EQ(write(from, "hello", 5), 5);
    pollfd awaited{to, POLLIN, 0};
    ASSERT_EQ(poll(&awaited, 1, /*timeout=*/10000), 1);
    char bytes[6] = {};
    EXPECT_EQ(read(to, bytes, 5), 5);
    EXPECT_STREQ(bytes, "hello");
  }
}

// Lines of the kernel's table that name the port.
int Entries(uint16_t port) {
  std::ifstream table("/proc/net/tcp");
  char name[8];
  std::snprintf(name, sizeof(name), ":%04X ", port);
  int entries = 0;
  for (std::string line; std::getline(table, line);) entries += line.find(name) != line.npos;
  return entries;
}

TEST(WorkerLinkTest, IsOfTcp) {
  const auto link = MakeWorkerLink();
  ASSERT_TRUE(link.ok());
  ExpectGood(*link);
  EXPECT_EQ(FamilyOf(link->first), AF_INET);
  EXPECT_EQ(FamilyOf(link->second), AF_INET);
}

TEST(WorkerLinkTest, EndsWithEitherEnd) {
  for (const bool first : {true, false}) {
    auto link = MakeWorkerLink();
    ASSERT_TRUE(link.ok());
    UniqueFd& closed = first ? link->first : link->second;
    const UniqueFd& other = first ? link->second : link->first;
    closed.reset();
    Await(other, POLLRDHUP);
    char byte;
    EXPECT_LE(read(other.get(), &byte, 1), 0);
  }
}

// Else a service that starts many workers would run out of ports.
TEST(WorkerLinkTest, LeavesNothingInTheKernel) {
  auto link = MakeWorkerLink();
  ASSERT_TRUE(link.ok());
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  ASSERT_EQ(getsockname(link->second.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const uint16_t port = ntohs(address.sin_port);
  EXPECT_EQ(Entries(port), 2) << "the two ends, and no listener";
  link->first.reset();
  Await(link->second, POLLRDHUP);
  link->second.reset();
  EXPECT_EQ(Entries(port), 0);
}

TEST(WorkerLinkTest, IsOfUnixSocketsWithoutLoopback) {
  bool is_apart = false;
  std::thread([&] {  // A thread may have a network of its own, in which loopback is down.
    is_apart = unshare(CLONE_NEWNET) == 0;
    if (!is_apart) return;
    const auto link = MakeWorkerLink();
    ASSERT_TRUE(link.ok());
    ExpectGood(*link);
    EXPECT_EQ(FamilyOf(link->first), AF_UNIX);
  })
      .join();
  if (!is_apart) GTEST_SKIP() << "no network namespaces here";
}

}  // namespace
}  // namespace holdfast
