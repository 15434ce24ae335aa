#include "worker/llvm/compute_in_child.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

namespace holdfast::llvm_session {
namespace {

TEST(ComputeInChild, ReturnsWhatTheChildComputes) {
  std::string large(1 << 20, 'x');
  EXPECT_EQ(*ComputeInChild(absl::Seconds(30), [&] { return large; }), large);
  EXPECT_EQ(*ComputeInChild(absl::Seconds(30), [] { return std::string(); }), "");
}

TEST(ComputeInChild, ReturnsTheErrorOfTheChild) {
  const auto error = ComputeInChild(absl::Seconds(30), []() -> absl::StatusOr<std::string> {
    return absl::NotFoundError("nothing here");
  });
  EXPECT_EQ(error.status(), absl::NotFoundError("nothing here"));
}

TEST(ComputeInChild, SurvivesACrash) {
  const auto crashed = ComputeInChild(absl::Seconds(30), []() -> absl::StatusOr<std::string> {
    raise(SIGKILL);
    return "";
  });
  EXPECT_EQ(crashed.status(), absl::InternalError("crashed: Killed"));
  const auto exited =
      ComputeInChild(absl::Seconds(30), []() -> absl::StatusOr<std::string> { _exit(3); });
  EXPECT_EQ(exited.status(), absl::InternalError("exited with code 3"));
}

// LLVM calls exit() on fatal errors.
TEST(ComputeInChild, ExitRunsNothingOfTheParents) {
  static const pid_t parent = getpid();
  atexit([] {
    while (getpid() != parent) pause();
  });
  const auto exited =
      ComputeInChild(absl::Seconds(10), []() -> absl::StatusOr<std::string> { exit(4); });
  EXPECT_EQ(exited.status(), absl::InternalError("exited with code 4"));
}

TEST(ComputeInChild, SurvivesAHang) {
  const auto hung = ComputeInChild(absl::Milliseconds(20), []() -> absl::StatusOr<std::string> {
    while (true) pause();
  });
  EXPECT_EQ(hung.status().code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace holdfast::llvm_session
