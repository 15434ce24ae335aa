// The end of a service whose clients do not behave.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

constexpr char kWorker[] = "worker/example/example_worker";

std::string Frame(char type, char flags, char stream, const std::string& payload) {
  const auto size = static_cast<uint32_t>(payload.size());
  std::string frame = {static_cast<char>(size >> 16),
                       static_cast<char>(size >> 8),
                       static_cast<char>(size),
                       type,
                       flags,
                       0,
                       0,
                       0,
                       stream};
  return frame + payload;
}

std::string Header(const std::string& name, const std::string& value) {
  // A literal without indexing, in HPACK; both are short.
  return std::string(1, '\0') + static_cast<char>(name.size()) + name +
         static_cast<char>(value.size()) + value;
}

// Calls GetSpaces over HTTP/2 with a window of no bytes, so that the answer can never be sent.
int CallAndNeverRead(const ServiceProcess& service) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(service.ReadFile("port.txt"), &port));
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string no_window("\0\4\0\0\0\0", 6);  // SETTINGS_INITIAL_WINDOW_SIZE = 0
  const std::string headers = Header(":method", "POST") + Header(":scheme", "http") +
                              Header(":path", "/compiler_gym.CompilerGymService/GetSpaces") +
                              Header(":authority", "x") +
                              Header("content-type", "application/grpc") + Header("te", "trailers");
  const std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(4, 0, 0, no_window) +
                            Frame(1, 4, 1, headers) + Frame(0, 1, 1, std::string(5, '\0'));
  EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  return fd;
}

TEST(DrainTest, ClientThatNeverTakesItsAnswerDoesNotHoldTheServiceUp) {
  ServiceProcess service(kWorker, {"--drain_timeout=100ms"});
  const int client = CallAndNeverRead(service);
  // The call has been answered when it is counted as open no more by its handler: the request of
  // another connection, made later, is answered after it.
  compiler_gym::GetSpacesReply spaces;
  grpc::ClientContext context;
  ASSERT_TRUE(service.NewClient()->GetSpaces(&context, {}, &spaces).ok());
  EXPECT_EQ(service.Terminate(), absl::optional<int>(0));
  close(client);
}

TEST(DrainTest, FileThatIsBeingReadDoesNotHarmTheEnd) {
  const std::string root = testing::TempDir() + "/programs";
  mkdir(root.c_str(), 0700);
  const std::string path = root + "/large";
  std::ofstream(path) << std::string(64 << 20, '+');
  for (int round = 0; round < 3; ++round) {
    ServiceProcess service(kWorker, {"--drain_timeout=0s", "--benchmark_roots=" + root});
    compiler_gym::AddBenchmarkRequest request;
    for (int i = 0; i < 8; ++i) {
      request.add_benchmark()->set_uri(absl::StrCat("benchmark://large/", i));
      request.mutable_benchmark(i)->mutable_program()->set_uri("file://" + path);
    }
    const auto client = service.NewClient();
    std::thread adding([&] {
      compiler_gym::AddBenchmarkReply reply;
      grpc::ClientContext context;
      client->AddBenchmark(&context, request, &reply);  // Answered or not: it is cut off.
    });
    ASSERT_TRUE(WaitUntil([&] {
      return service.Metric("holdfast_inflight_bytes").value_or(0) > 0 ||
             service.Metric("holdfast_benchmark_bytes").value_or(0) > 0;
    }));
    EXPECT_EQ(service.Terminate(), absl::optional<int>(0));
    adding.join();
  }
  unlink(path.c_str());
  rmdir(root.c_str());
}

TEST(DrainTest, StartsThatAreGivenUpLeaveNoSession) {
  // Given up while no worker is known, and while Init runs.
  ServiceProcess service("tests/testcases/misbehaving_worker",
                         {"--warm_workers=0", "--worker_flags=--start_mode=slow"});
  const auto client = service.NewClient();
  const std::string good = "benchmark://test-v0/good";
  const std::string hang = "benchmark://test-v0/hang";
  ASSERT_TRUE(AddBenchmark(client.get(), good, "ok").ok());
  ASSERT_TRUE(AddBenchmark(client.get(), hang, "hang-in-init").ok());
  int64_t id = 0;
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(StartSession(client.get(), good, 0, &id, absl::Milliseconds(20)).ok());
  }
  compiler_gym::GetSpacesReply spaces;
  grpc::ClientContext context;
  ASSERT_TRUE(client->GetSpaces(&context, {}, &spaces).ok());
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(StartSession(client.get(), hang, 0, &id, absl::Milliseconds(100)).ok());
  }
  EXPECT_TRUE(WaitUntil([&] { return TestSession(service, 1).End() == 0; }));
  EXPECT_TRUE(WaitUntil([&] { return service.workers().size() <= 1; }));
  EXPECT_EQ(service.Terminate(), absl::optional<int>(0));
}

TEST(DrainTest, SecondServiceDoesNotTakeTheWorkingDirectory) {
  ServiceProcess service(kWorker);
  const std::string port = service.ReadFile("port.txt");
  const ProgramResult second =
      RunProgram({RunfilePath(kWorker), "--working_dir=" + service.directory()});
  EXPECT_EQ(second.exit, 1);
  EXPECT_THAT(second.err, HasSubstr("in use by another service"));
  EXPECT_EQ(service.ReadFile("port.txt"), port);
}

}  // namespace
}  // namespace holdfast
