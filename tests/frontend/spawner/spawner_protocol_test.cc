// The messages between the front and its spawner, and the socket that carries them.
#include "frontend/spawner/spawner_protocol.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "frontend/event_loop.h"
#include "frontend/spawner/control_channel.h"
#include "frontend/spawner/owned_path.h"

namespace holdfast {
namespace {

template <typename Message>
Message RoundTrip(const Message& message) {
  auto bytes = EncodeControlMessage(message);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  auto decoded = DecodeControlMessage(*bytes);
  EXPECT_TRUE(decoded.ok()) << decoded.status();
  return std::get<Message>(*decoded);
}

SpawnMessage SampleSpawn() {
  return {7, {"worker", "", "--flag"}, {"PATH=/bin", "X="}, "/tmp", {int64_t{1} << 40, 2, 3}};
}

TEST(SpawnerProtocol, RoundTrips) {
  SpawnMessage spawn = RoundTrip(SampleSpawn());
  EXPECT_EQ(spawn.process, 7u);
  EXPECT_EQ(spawn.arguments, SampleSpawn().arguments);
  EXPECT_EQ(spawn.environment, SampleSpawn().environment);
  EXPECT_EQ(spawn.working_directory, "/tmp");
  EXPECT_EQ(spawn.limits.memory_bytes, int64_t{1} << 40);
  EXPECT_EQ(spawn.limits.file_bytes, 2);
  EXPECT_EQ(spawn.limits.processes, 3);
  EXPECT_EQ(RoundTrip(KillMessage{~uint64_t{0}}).process, ~uint64_t{0});
  CleanupMessage cleanup = RoundTrip(CleanupMessage{{"/a b", 1, ~uint64_t{0}, -5}});
  EXPECT_EQ(cleanup.owned.path, "/a b");
  EXPECT_EQ(cleanup.owned.device, 1u);
  EXPECT_EQ(cleanup.owned.inode, ~uint64_t{0});
  EXPECT_EQ(cleanup.owned.birth_nanos, -5);
  EXPECT_EQ(RoundTrip(StartedMessage{1, 4'000'000}).pid, 4'000'000);
  ExitedMessage exited =
      RoundTrip(ExitedMessage{1, "exec: no", -1, int64_t{1} << 40, 12, true, false});
  EXPECT_EQ(exited.error, "exec: no");
  EXPECT_EQ(exited.wait_status, -1);
  EXPECT_EQ(exited.peak_rss_bytes, int64_t{1} << 40);
  EXPECT_EQ(exited.cpu_micros, 12);
  EXPECT_TRUE(exited.memory_limit_hit);
  EXPECT_FALSE(exited.process_limit_hit);
  EXPECT_TRUE(RoundTrip(ExitedMessage{1, "", 0, 0, 0, false, true}).process_limit_hit);
  const Cgroups tree = RoundTrip(CgroupsMessage{{{1, "/m"}, {2, "/p"}}}).tree;
  EXPECT_EQ(tree.memory.version, 1);
  EXPECT_EQ(tree.memory.directory, "/m");
  EXPECT_EQ(tree.pids.version, 2);
  EXPECT_EQ(tree.pids.directory, "/p");
  RoundTrip(PingMessage{});
}

TEST(SpawnerProtocol, RefusesWhatDoesNotFit) {
  SpawnMessage spawn = SampleSpawn();
  spawn.environment.push_back("BIG=" + std::string(kMaxControlMessageBytes - 300, 'x'));
  EXPECT_TRUE(EncodeControlMessage(spawn).ok());
  spawn.environment.emplace_back(300, 'x');
  EXPECT_EQ(EncodeControlMessage(spawn).status().code(), absl::StatusCode::kInvalidArgument);
  spawn = SampleSpawn();
  spawn.arguments.emplace_back("a\0b", 3);
  EXPECT_EQ(EncodeControlMessage(spawn).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SpawnerProtocol, RefusesEveryTruncationAndExtension) {
  for (const ControlMessage& message :
       std::vector<ControlMessage>{SampleSpawn(), KillMessage{1}, CleanupMessage{{"/x", 1, 2, 3}},
                                   StartedMessage{1, 2}, ExitedMessage{1, "e", 2, 3, 4, true, true},
                                   CgroupsMessage{{{1, "/m"}, {}}}, PingMessage{}}) {
    std::string bytes = *EncodeControlMessage(message);
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(DecodeControlMessage(bytes.substr(0, size)).ok());
    }
    EXPECT_FALSE(DecodeControlMessage(bytes + '\0').ok());
  }
}

TEST(SpawnerProtocol, SurvivesNoise) {
  std::mt19937 random(1);
  std::string sample = *EncodeControlMessage(SampleSpawn());
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes = sample;
    for (int flips = 0; flips < 3; ++flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random() % 256);
    }
    auto decoded = DecodeControlMessage(bytes);
    if (!decoded.ok()) continue;
    EXPECT_TRUE(EncodeControlMessage(*decoded).ok());
  }
}

class ControlChannelTest : public testing::Test {
 protected:
  ControlChannelTest() {
    auto sockets = MakeControlSockets();
    peer_ = std::move(sockets->second);
    ControlChannel::Events events;
    events.on_message = [this](absl::string_view bytes, const std::vector<UniqueFd>& fds,
                               bool lost) {
      received_.emplace_back(bytes);
      fds_ += fds.size();
      lost_ = lost_ || lost;
    };
    events.on_closed = [this] {
      closed_ = true;
      loop_.Stop();
    };
    channel_ = ControlChannel::Create(loop_.uv(), std::move(sockets->first), std::move(events));
    loop_.RunAfter(absl::Seconds(20), [this] {
      ADD_FAILURE() << "no end in sight";
      loop_.Stop();
    });
  }

  EventLoop loop_;
  UniqueFd peer_;
  std::unique_ptr<ControlChannel> channel_;
  std::vector<std::string> received_;
  size_t fds_ = 0;
  bool lost_ = false;
  bool closed_ = false;
};

TEST_F(ControlChannelTest, QueuesWhatTheSocketDoesNotTake) {
  constexpr int kMessages = 100;
  std::string filler(kMaxControlMessageBytes - 8, 'x');
  for (int i = 0; i < kMessages; ++i) {
    std::vector<UniqueFd> fds;
    fds.emplace_back(dup(peer_.get()));
    channel_->Send(std::to_string(i) + filler, std::move(fds), [](int) { FAIL(); });
  }
  // The other end, on the same loop.
  int next = 0;
  ControlChannel::Events events;
  events.on_message = [&](absl::string_view bytes, const std::vector<UniqueFd>& fds, bool) {
    EXPECT_EQ(bytes, std::to_string(next) + filler);
    EXPECT_EQ(fds.size(), 1u);
    if (++next == kMessages) loop_.Stop();
  };
  events.on_closed = [] {};
  auto other = ControlChannel::Create(loop_.uv(), std::move(peer_), std::move(events));
  loop_.Run();
  EXPECT_EQ(next, kMessages);
}

TEST_F(ControlChannelTest, TellsTheMessageThatCannotBeSent) {
  int error = 0;
  channel_->Send(std::string(16 * 1024 * 1024, 'x'), {},
                 [&](int errno_value) { error = errno_value; });
  EXPECT_EQ(error, EMSGSIZE);
  channel_->Send("small", {}, [](int) { FAIL(); });
  char bytes[16];
  EXPECT_EQ(recv(peer_.get(), bytes, sizeof(bytes), 0), 5);
}

TEST_F(ControlChannelTest, DeliversWhatCameBeforeTheEnd) {
  EXPECT_EQ(send(peer_.get(), "last", 4, 0), 4);
  channel_->Send("never read", {}, nullptr);  // So that the peer's end is a reset.
  peer_.reset();
  loop_.Run();
  EXPECT_TRUE(closed_);
  EXPECT_EQ(received_, std::vector<std::string>{"last"});
  channel_->Send("into the void", {}, [](int) { FAIL(); });
}

TEST_F(ControlChannelTest, ReceivesAfterCloseSending) {
  channel_->CloseSending();
  char byte;
  EXPECT_EQ(recv(peer_.get(), &byte, 1, 0), 0);
  EXPECT_EQ(send(peer_.get(), "still", 5, 0), 5);
  peer_.reset();
  loop_.Run();
  EXPECT_EQ(received_, std::vector<std::string>{"still"});
}

TEST_F(ControlChannelTest, DiscardsUntilClosed) {
  EXPECT_EQ(send(peer_.get(), "x", 1, 0), 1);
  EXPECT_FALSE(channel_->DiscardUntilClosed(0));
  peer_.reset();
  EXPECT_TRUE(channel_->DiscardUntilClosed(10'000));
}

TEST_F(ControlChannelTest, SaysThatDescriptorsWereLost) {
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  auto sockets = MakeControlSockets();
  ControlChannel::Events events;
  events.on_message = [](absl::string_view, const std::vector<UniqueFd>&, bool) {};
  events.on_closed = [] {};
  auto other = ControlChannel::Create(loop_.uv(), std::move(peer_), std::move(events));
  std::vector<UniqueFd> fds;
  fds.emplace_back(dup(0));
  fds.emplace_back(dup(0));
  rlimit none = before;
  none.rlim_cur = 3;
  setrlimit(RLIMIT_NOFILE, &none);
  other->Send("fds", std::move(fds), nullptr);
  other.reset();
  loop_.Run();
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(received_, std::vector<std::string>{"fds"});
  EXPECT_TRUE(lost_);
  EXPECT_EQ(fds_, 0u);
}

class OwnedPathTest : public testing::Test {
 protected:
  OwnedPathTest() : root_(testing::TempDir() + "/owned.XXXXXX") {
    EXPECT_NE(mkdtemp(root_.data()), nullptr);
  }
  ~OwnedPathTest() override { std::filesystem::remove_all(root_); }

  UniqueFd Bind(const std::string& path) {
    // sun_path is short, and a test's directory may not be.
    EXPECT_EQ(chdir(root_.c_str()), 0);
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }

  std::string root_;
};

TEST_F(OwnedPathTest, RemovesDirectoriesAndDoesNotFollowLinks) {
  std::filesystem::create_directories(root_ + "/owned/a/b");
  std::filesystem::create_directories(root_ + "/other");
  std::ofstream(root_ + "/other/file") << "kept";
  std::filesystem::create_directory_symlink(root_ + "/other", root_ + "/owned/link");
  std::filesystem::create_directory_symlink(root_ + "/other", root_ + "/top");
  OwnedPath directory = *IdentifyPath(root_ + "/owned");
  OwnedPath link = *IdentifyPath(root_ + "/top");
  RemoveOwnedPath(directory);
  RemoveOwnedPath(link);
  EXPECT_FALSE(std::filesystem::exists(root_ + "/owned"));
  EXPECT_TRUE(std::filesystem::exists(root_ + "/other/file"));
  EXPECT_TRUE(std::filesystem::is_symlink(root_ + "/top"));
  EXPECT_FALSE(IdentifyPath(root_ + "/missing").ok());
}

TEST_F(OwnedPathTest, LeavesASuccessorAlone) {
  UniqueFd first = Bind("socket");
  OwnedPath owned = *IdentifyPath(root_ + "/socket");
  first.reset();
  unlink((root_ + "/socket").c_str());
  UniqueFd second = Bind("socket");  // Often with the same inode number.
  RemoveOwnedPath(owned);
  EXPECT_TRUE(std::filesystem::exists(root_ + "/socket"));
  RemoveOwnedPath(*IdentifyPath(root_ + "/socket"));
  EXPECT_FALSE(std::filesystem::exists(root_ + "/socket"));
}

TEST_F(OwnedPathTest, LeavesFilesAlone) {
  std::ofstream(root_ + "/file") << "kept";
  RemoveOwnedPath(*IdentifyPath(root_ + "/file"));
  EXPECT_TRUE(std::filesystem::exists(root_ + "/file"));
}

}  // namespace
}  // namespace holdfast
