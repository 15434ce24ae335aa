// How a service starts: CompilerGym's contract, flags, and what is refused.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

constexpr char kExampleWorker[] = "worker/example/example_worker";
constexpr char kHoldfast[] = "frontend/holdfast";
constexpr char kUri[] = "benchmark://test/program";

// ---- CompilerGym's start-up contract ----

class StartContractTest : public testing::TestWithParam<std::vector<std::string>> {};

INSTANTIATE_TEST_SUITE_P(, StartContractTest,
                         testing::Values(std::vector<std::string>{},
                                         std::vector<std::string>{"--alsologtostderr", "-v=2",
                                                                  "--logbuflevel=-1"}));

TEST_P(StartContractTest, WritesThePortOnceItServesAndExitsCleanly) {
  const TemporaryDirectory directory;
  const fs::path binary = fs::path(RunfilePath(kExampleWorker));
  std::vector<std::string> arguments = {"./" + binary.filename().string(),
                                        "--working_dir=" + directory.path()};
  arguments.insert(arguments.end(), GetParam().begin(), GetParam().end());
  RunningProgram service(arguments, {binary.parent_path().string(), {}});
  ASSERT_TRUE(WaitUntil([&] { return fs::exists(directory / "port.txt"); })) << service.err();
  const std::string port_text = Slurp(directory / "port.txt");
  ASSERT_THAT(port_text, MatchesRegex("[1-9][0-9]*\n"));
  // At once: no waiting for the channel, no second try.
  const std::string port(absl::StripAsciiWhitespace(port_text));
  int action_spaces = 0;
  const grpc::Status status = GetSpaces(ConnectTo("localhost:" + port).get(), &action_spaces);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(action_spaces, 2);
  EXPECT_EQ(Slurp(directory / "pid.txt"), absl::StrCat(service.pid(), "\n"));
  EXPECT_EQ(ModeOf(directory / "logs"), 0700u);
  EXPECT_EQ(ModeOf(directory / "port.txt") & 077, 0u);
  EXPECT_THAT(directory.Entries("port.txt."), IsEmpty()) << "a temporary name is left";

  int64_t id = 0;
  const auto client = ConnectTo("localhost:" + port);
  ASSERT_TRUE(AddBenchmark(client.get(), kUri, "+-").ok());
  ASSERT_TRUE(StartSession(client.get(), kUri, 0, &id).ok());
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0) << service.err();
  EXPECT_FALSE(fs::exists(directory / "port.txt"));
  EXPECT_FALSE(fs::exists(directory / "pid.txt"));
  EXPECT_THAT(directory.Entries(kScratchPrefix), IsEmpty());
  // The client reads all files there if a start fails.
  std::string logs;
  for (const auto& entry : fs::directory_iterator(directory / "logs")) {
    logs += Slurp(entry.path());
    EXPECT_EQ(ModeOf(entry.path()), 0600u);
  }
  EXPECT_THAT(logs, HasSubstr(" address=127.0.0.1:" + port));
}

// Whoever starts the service may limit the size of its files.
TEST(StartTest, ALogThatMayNotGrowEndsNothing) {
  const TemporaryDirectory directory;
  RunningProgram service({"/bin/sh", "-c", "ulimit -f 1; exec \"$0\" \"$@\"",
                          RunfilePath(kExampleWorker), "--working_dir=" + directory.path(),
                          "--v=1"});
  ASSERT_TRUE(WaitUntil([&] { return fs::exists(directory / "port.txt"); })) << service.err();
  const std::string port(absl::StripAsciiWhitespace(Slurp(directory / "port.txt")));
  const auto client = ConnectTo("127.0.0.1:" + port);
  EXPECT_TRUE(GetSpaces(client.get()).ok());
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
  constexpr size_t kBlock = 512;  // Or two, as shells have it.
  const size_t size = fs::file_size(directory / "logs/holdfast.log");
  EXPECT_TRUE(size == kBlock || size == 2 * kBlock) << "the limit was not met: " << size;
}

TEST(StartTest, TooFewDescriptorsForAWorkerAreRefused) {
  const ProgramResult result =
      RunProgram({"/bin/sh", "-c", "ulimit -n 64; exec \"$0\"", RunfilePath(kExampleWorker)});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.err, HasSubstr("ERROR: RLIMIT_NOFILE is too low"));
}

TEST(StartTest, PortOfAnEarlierRunIsNotTakenForItsOwn) {
  const TemporaryDirectory directory;
  std::ofstream(directory / "port.txt") << "1\n";
  RunningProgram service({RunfilePath(kExampleWorker), "--working_dir=" + directory.path()});
  EXPECT_TRUE(WaitUntil([&] {
    return fs::exists(directory / "pid.txt") && fs::exists(directory / "port.txt");
  })) << service.err();
  EXPECT_NE(Slurp(directory / "port.txt"), "1\n");
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
}

// CompilerGym's client makes a link of that name, to a directory in which programs may be executed.
TEST(StartTest, ScratchDataGoesBelowDiskIfThereIsOne) {
  const TemporaryDirectory directory, disk;
  fs::create_directory_symlink(disk.path(), fs::path(directory.path()) / "disk");
  RunningProgram service({RunfilePath(kExampleWorker), "--working_dir=" + directory.path()});
  ASSERT_TRUE(WaitUntil([&] { return fs::exists(directory / "port.txt"); })) << service.err();
  EXPECT_FALSE(fs::is_empty(disk.path()));
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
  EXPECT_TRUE(fs::is_empty(disk.path()));
}

TEST(StartTest, UnknownPositionalArgumentIsNamed) {
  const ProgramResult result = RunProgram({RunfilePath(kExampleWorker), "--v=1", "surprise"});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.err, MatchesRegex("ERROR: .*'surprise'.*\n"));
}

TEST(StartTest, UnknownFlagIsNamedInQuotes) {
  const ProgramResult result = RunProgram({RunfilePath(kExampleWorker), "--surprise=1"});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("ERROR"), HasSubstr("'surprise'")));
}

TEST(StartTest, HelpAndVersionAreAnswered) {
  const ProgramResult help = RunProgram({RunfilePath(kExampleWorker), "--help"});
  EXPECT_THAT(help.out, AllOf(HasSubstr("--listen"), HasSubstr("--step_timeout")));
  const ProgramResult version = RunProgram({RunfilePath(kExampleWorker), "--version"});
  EXPECT_EQ(version.exit, 0);
  EXPECT_THAT(version.out, HasSubstr("Holdfast"));
}

struct BadFlag {
  const char* name;
  const char* value;
  const char* allowed;  // What the message says of it.
};
void PrintTo(const BadFlag& flag, std::ostream* out) { *out << flag.name << '=' << flag.value; }

class BadFlagTest : public testing::TestWithParam<BadFlag> {};

INSTANTIATE_TEST_SUITE_P(
    , BadFlagTest,
    testing::Values(
        BadFlag{"listen", "nowhere", "HOST:PORT or unix:PATH"},
        BadFlag{"listen", "127.0.0.1:99999", "in [0, 65535]"},
        BadFlag{"listen", "127.0.0.1:http", "in [0, 65535]"},
        BadFlag{"listen", "unix:", "HOST:PORT or unix:PATH"},
        BadFlag{"listen", "192.0.2.1:0", "cannot listen"},  // An address for documentation only.
        BadFlag{"listen", "unix:/dev/null/socket", "cannot listen"},
        BadFlag{"metrics_listen", "nowhere", "HOST:PORT or empty"},
        BadFlag{"metrics_listen", "127.0.0.1:99999", "HOST:PORT"},
        BadFlag{"working_dir", "/dev/null/directory", "cannot make"},
        BadFlag{"worker", "/no/such/worker", "cannot open"},
        BadFlag{"warm_workers", "-1", "in [0, 256]"}, BadFlag{"warm_workers", "257", "in [0, 256]"},
        BadFlag{"max_workers", "0", "in [1, 100000]"}, BadFlag{"max_workers", "many", ""},
        BadFlag{"worker_reuse", "0", "in [1, 1000000]"},
        BadFlag{"worker_start_timeout", "0", "more than 0"},
        BadFlag{"worker_wait_timeout", "-1s", "more than 0"},
        BadFlag{"step_timeout", "0", "more than 0"}, BadFlag{"step_timeout", "5", ""},  // No unit.
        BadFlag{"step_retries", "-1", "in [0, 10]"}, BadFlag{"step_retries", "11", "in [0, 10]"},
        BadFlag{"drain_timeout", "-1s", "at least 0"},
        BadFlag{"benchmark_cache_bytes", "-1", "at least 0"},
        BadFlag{"benchmark_cache_bytes", "1.5", ""},
        BadFlag{"benchmark_roots", "relative/path", "absolute paths"},
        BadFlag{"allow_benchmark_commands", "perhaps", ""},
        BadFlag{"max_message_bytes", "1023", "in [1024, 2147483647]"},
        BadFlag{"max_message_bytes", "2147483648", "in [1024, 2147483647]"},
        BadFlag{"max_inflight_bytes", "1023", "at least 1024"},
        BadFlag{"max_record_bytes", "1023", "at least 1024"},
        BadFlag{"log_level", "loud", "debug, info, warning, error"},
        BadFlag{"log_level", "info,pool=loud", "SUBSYSTEM=LEVEL"},
        BadFlag{"log_level", "info,nobody=debug", "front, listener, pool"},
        BadFlag{"log_format", "xml", "text, json"}, BadFlag{"alsologtostderr", "loud", ""},
        BadFlag{"v", "high", ""}, BadFlag{"logbuflevel", "low", ""}),
    [](const testing::TestParamInfo<BadFlag>& info) {
      return absl::StrCat(info.param.name, info.index);
    });

TEST_P(BadFlagTest, ExitsOneNamingFlagValueAndRange) {
  const BadFlag& flag = GetParam();
  const TemporaryDirectory directory;
  RunningProgram program(
      {RunfilePath(kExampleWorker), absl::StrCat("--", flag.name, "=", flag.value)},
      {"", {"TMPDIR=" + directory.path()}});
  EXPECT_EQ(program.Wait(), 1);
  EXPECT_THAT(program.err(), AllOf(HasSubstr("ERROR"), HasSubstr(flag.name), HasSubstr(flag.value),
                                   HasSubstr(flag.allowed)));
  EXPECT_EQ(program.out(), "");
  // The spawner may end a moment later.
  EXPECT_TRUE(WaitUntil([&] { return directory.Entries().empty(); }));
}

// A port that somebody else listens on.
class BusyPort {
 public:
  BusyPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  ~BusyPort() { close(fd_); }
  const std::string& address() const { return address_; }

 private:
  const int fd_;
  std::string address_;
};

TEST(StartTest, BusyPortsAreNamed) {
  const BusyPort busy;
  for (const char* flag : {"listen", "metrics_listen"}) {
    const TemporaryDirectory directory;
    RunningProgram program(
        {RunfilePath(kExampleWorker), absl::StrCat("--", flag, "=", busy.address())},
        {"", {"TMPDIR=" + directory.path()}});
    EXPECT_EQ(program.Wait(), 1);
    EXPECT_THAT(program.err(),
                AllOf(HasSubstr("ERROR"), HasSubstr(flag), HasSubstr(busy.address())));
    EXPECT_TRUE(WaitUntil([&] { return directory.Entries().empty(); }));
  }
}

TEST(StartTest, WorkerThatIsMissingOrNotExecutableIsNamed) {
  const TemporaryDirectory directory;
  const std::string no_program = directory / "no_program";
  std::ofstream(no_program) << "text";
  chmod(no_program.c_str(), 0600);
  for (const std::string& worker : {no_program, directory.path(), directory / "missing"}) {
    const ProgramResult result = RunProgram({RunfilePath(kHoldfast), "--worker=" + worker});
    EXPECT_EQ(result.exit, 1);
    EXPECT_THAT(result.err, AllOf(HasSubstr("ERROR: --worker"), HasSubstr(worker)));
  }
  const ProgramResult none = RunProgram({RunfilePath(kHoldfast)});
  EXPECT_EQ(none.exit, 1);
  EXPECT_THAT(none.err, HasSubstr("--worker is empty"));
}

TEST(StartTest, WorkerThatCannotRunFailsCallsWithItsReason) {
  const TemporaryDirectory directory;
  const std::string script = directory / "no_program";
  std::ofstream(script) << "neither ELF nor script";
  chmod(script.c_str(), 0700);
  ServiceProcess service(kHoldfast, {"--worker=" + script});
  EXPECT_THAT(GetSpaces(service.NewClient().get()).error_message(),
              AllOf(HasSubstr("workers cannot be started"), HasSubstr("Exec format error")));
  EXPECT_EQ(service.Terminate(), 0);
}

TEST(StartTest, HoldfastIsNoWorkerOfItself) {
  ServiceProcess service(kHoldfast, {"--worker=" + RunfilePath(kHoldfast)});
  EXPECT_THAT(GetSpaces(service.NewClient().get()).error_message(),
              HasSubstr("holdfast itself is no worker"));
}

}  // namespace
}  // namespace holdfast
