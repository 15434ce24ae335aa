// OutputPipe: what comes through, and that the end of one pipe is no other's business.
#include "frontend/spawner/output_pipe.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "common/unique_fd.h"
#include "frontend/event_loop.h"

namespace holdfast {
namespace {

class OutputPipeTest : public testing::Test {
 protected:
  struct Pipe {
    int fd = -1;  // Of the reading end.
    UniqueFd writer;
    std::string text;
    std::unique_ptr<OutputPipe> output;
  };

  std::unique_ptr<Pipe> Open() {
    auto ends = MakePipe();
    EXPECT_TRUE(ends.ok());
    auto pipe = std::make_unique<Pipe>();
    pipe->fd = ends->first.get();
    pipe->writer = std::move(ends->second);
    pipe->output =
        OutputPipe::Create(loop_.uv(), std::move(ends->first),
                           [raw = pipe.get()](auto bytes) { raw->text += std::string(bytes); });
    return pipe;
  }
  static void Write(Pipe* pipe, const std::string& text) {
    EXPECT_EQ(write(pipe->writer.get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }
  // Everything that is ready, and whatever follows from it.
  void RunLoop() {
    for (int round = 0; round < 3; ++round) uv_run(loop_.uv(), UV_RUN_NOWAIT);
  }

  EventLoop loop_;
};

TEST_F(OutputPipeTest, DeliversWhatIsWrittenUpToTheEnd) {
  const auto pipe = Open();
  Write(pipe.get(), "one ");
  RunLoop();
  Write(pipe.get(), "two");
  pipe->writer.reset();
  RunLoop();
  EXPECT_EQ(pipe->text, "one two");
}

TEST_F(OutputPipeTest, EndOfAPipeDoesNotSilenceTheNextOfItsDescriptor) {
  auto ended = Open();
  ended->writer.reset();
  RunLoop();
  const auto next = Open();
  ASSERT_EQ(next->fd, ended->fd) << "the descriptor was not closed at the end of the pipe";
  RunLoop();  // It is watched by now.
  ended.reset();
  Write(next.get(), "heard");
  RunLoop();
  EXPECT_EQ(next->text, "heard");
}

}  // namespace
}  // namespace holdfast
