// The spawner process by itself, spoken to over its socket as the front would not.
#include "frontend/spawner/spawner_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/roles.h"
#include "common/unique_fd.h"
#include "frontend/event_loop.h"
#include "frontend/spawner/control_channel.h"
#include "frontend/spawner/spawner_protocol.h"

namespace holdfast {
namespace {

class SpawnerProcessTest : public testing::Test {
 protected:
  SpawnerProcessTest() {
    auto sockets = MakeControlSockets();
    EXPECT_TRUE(sockets.ok());
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, sockets->second.get(), kSpawnerControlFd);
    std::string name = kSpawnerName, role = kSpawnerRoleArgument;
    char* arguments[] = {name.data(), role.data(), nullptr};
    EXPECT_EQ(
        posix_spawn(&pid_, "tests/testcases/spawner_host", &actions, nullptr, arguments, environ),
        0);
    posix_spawn_file_actions_destroy(&actions);
    ControlChannel::Events events;
    events.on_message = [this](absl::string_view bytes, const std::vector<UniqueFd>&, bool) {
      auto message = DecodeControlMessage(bytes);
      EXPECT_TRUE(message.ok());
      if (auto* exited = std::get_if<ExitedMessage>(&*message)) exits_.push_back(*exited);
      loop_.Stop();
    };
    events.on_closed = [this] {
      closed_ = true;
      loop_.Stop();
    };
    channel_ = ControlChannel::Create(loop_.uv(), std::move(sockets->first), std::move(events));
    loop_.RunAfter(absl::Seconds(30), [this] {
      late_ = true;
      loop_.Stop();
    });
  }
  // Whatever it was told, it ends in order.
  ~SpawnerProcessTest() override {
    channel_->CloseSending();
    while (!closed_ && !late_) loop_.Run();
    EXPECT_FALSE(late_);
    if (late_) kill(pid_, SIGKILL);
    int status = -1;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    EXPECT_EQ(status, 0);
  }

  void Send(std::string bytes, std::vector<UniqueFd> fds = {}) {
    channel_->Send(std::move(bytes), std::move(fds), [](int) { FAIL(); });
  }
  void SendSpawn(uint64_t process, int fd_count = kSpawnFds) {
    std::vector<UniqueFd> fds;
    fds.emplace_back(open("/bin/true", O_RDONLY | O_CLOEXEC));
    while (fds.size() < static_cast<size_t>(fd_count)) {
      fds.emplace_back(open("/dev/null", O_RDWR | O_CLOEXEC));
    }
    Send(*EncodeControlMessage(SpawnMessage{process, {"true"}, {}, "/", {}}), std::move(fds));
  }
  // The next exit that it reports.
  ExitedMessage Exit() {
    while (exits_.empty() && !late_ && !closed_) loop_.Run();
    if (exits_.empty()) return {};
    ExitedMessage exit = exits_.front();
    exits_.erase(exits_.begin());
    return exit;
  }

  EventLoop loop_;
  std::unique_ptr<ControlChannel> channel_;
  pid_t pid_ = 0;
  std::vector<ExitedMessage> exits_;
  bool closed_ = false;
  bool late_ = false;
};

TEST_F(SpawnerProcessTest, IgnoresNonsense) {
  Send("nonsense");
  Send(std::string(kMaxControlMessageBytes + 1, 'x'));
  Send(std::string(1, '\0'));
  Send(*EncodeControlMessage(KillMessage{12345}));
  Send(*EncodeControlMessage(StartedMessage{1, 1}));  // Not for it.
  Send(*EncodeControlMessage(ExitedMessage{1, "", 0, 0, 0, false, false}));
  Send(*EncodeControlMessage(CleanupMessage{{"/no/such/path", 1, 2, 3}}));
  SendSpawn(1, 3);
  ExitedMessage refused = Exit();
  EXPECT_EQ(refused.process, 1u);
  EXPECT_EQ(refused.error, "malformed request");
  SendSpawn(2, 8);
  EXPECT_EQ(Exit().error, "malformed request");
  SendSpawn(3);
  ExitedMessage exited = Exit();
  EXPECT_EQ(exited.process, 3u);
  EXPECT_EQ(exited.error, "");
  EXPECT_EQ(exited.wait_status, 0);
}

TEST_F(SpawnerProcessTest, EndsInTheMiddleOfManyStarts) {
  for (uint64_t i = 0; i < 100; ++i) SendSpawn(i);
}

TEST_F(SpawnerProcessTest, EndsAtOnce) {}

}  // namespace
}  // namespace holdfast
