#include "tests/deploy/network.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>

#include <cstdio>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

constexpr char kBridge[] = "bridge0";

void Run(const std::string& command) {
  const ProgramResult result = RunProgram({"sh", "-ec", command});
  EXPECT_EQ(result.exit, 0) << command << ": " << result.err;
}

}  // namespace

std::string AddressOf(int number) { return absl::StrCat("10.77.0.", number); }

void EnterOwnNetwork() {
  if (unshare(CLONE_NEWNET) != 0) {
    perror("a network of the test's own needs root");
    abort();
  }
  Run(absl::StrCat("ip link set lo up; ip link add ", kBridge, " type bridge; ip addr add ",
                   AddressOf(254), "/24 dev ", kBridge, "; ip link set ", kBridge, " up"));
}

std::unique_ptr<RunningProgram> StartOnHost(int number, const std::vector<std::string>& command) {
  // Waits for its end of the cable. The pid stays the same all the way.
  const std::string script = absl::StrCat(
      "until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done; ip link set lo up; ",
      "ip addr add ", AddressOf(number), "/24 dev eth0; ip link set eth0 up; exec \"$@\"");
  std::vector<std::string> arguments = {"unshare", "--net", "sh", "-ec", script, "host"};
  arguments.insert(arguments.end(), command.begin(), command.end());
  auto program = absl::make_unique<RunningProgram>(std::move(arguments));
  // Until it has left our network, it has our bridge.
  const std::string in_host = absl::StrCat("nsenter --net --target ", program->pid(), " ");
  EXPECT_TRUE(WaitUntil([&] {
    return RunProgram({"sh", "-c", absl::StrCat(in_host, "ip link show ", kBridge)}).exit == 1;
  }));
  const std::string cable = absl::StrCat("cable", number);
  Run(absl::StrCat("ip link delete ", cable, " 2>/dev/null || true; ip link add ", cable,
                   " type veth peer name eth0 netns ", program->pid(), "; ip link set ", cable,
                   " master ", kBridge, " up"));
  return program;
}

}  // namespace holdfast
