// How a service starts and ends: CompilerGym's contract, flags, signals, and what sudden ends leave.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using compiler_gym::CompilerGymService;
using grpc::StatusCode;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;

constexpr char kExampleWorker[] = "worker/example/example_worker";
constexpr char kMisbehavingWorker[] = "tests/testcases/misbehaving_worker";
constexpr char kHoldfast[] = "frontend/holdfast";
constexpr char kUri[] = "benchmark://test/program";
constexpr absl::Duration kLong = absl::Minutes(2);

// A directory that is gone at the end of the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_(testing::TempDir() + "/lifecycle-XXXXXX") {
    EXPECT_NE(mkdtemp(path_.data()), nullptr);
  }
  ~TemporaryDirectory() { fs::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::vector<std::string> Entries(const std::string& prefix = "") const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path_)) {
      const std::string name = entry.path().filename().string();
      if (absl::StartsWith(name, prefix)) names.push_back(name);
    }
    return names;
  }

 private:
  std::string path_;
};

std::string Slurp(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

grpc::Status GetSpaces(CompilerGymService::Stub* stub, int* action_spaces = nullptr) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kLong));
  compiler_gym::GetSpacesReply reply;
  const grpc::Status status = stub->GetSpaces(&context, {}, &reply);
  if (action_spaces != nullptr) *action_spaces = reply.action_space_list_size();
  return status;
}

// All processes below `pid`, itself included.
std::vector<pid_t> FamilyOf(pid_t pid) {
  std::vector<pid_t> family = {pid};
  for (size_t i = 0; i < family.size(); ++i) {
    for (const pid_t child : ChildrenOf(family[i])) family.push_back(child);
  }
  return family;
}

bool AllGone(const std::vector<pid_t>& processes) {
  for (const pid_t process : processes) {
    if (IsAlive(process)) return false;
  }
  return true;
}

// A service as any other program: it says on stdout where it serves.
class AnnouncedService : public RunningProgram {
 public:
  using RunningProgram::RunningProgram;
  std::string address() const {
    const std::string before = " serves on ";
    std::string text;
    EXPECT_TRUE(WaitUntil([&] {
      text = out();
      return absl::StrContains(text, before) && absl::EndsWith(text, "\n");
    })) << err();
    text = text.substr(text.find(before) + before.size());
    return text.substr(0, text.find(", "));
  }
};

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
  EXPECT_TRUE(fs::is_directory(directory / "logs"));
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
  EXPECT_THAT(directory.Entries("scratch"), IsEmpty());
  EXPECT_TRUE(fs::is_directory(directory / "logs"));
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
        BadFlag{"warm_workers", "-1", "in [0, 256]"},
        BadFlag{"warm_workers", "257", "in [0, 256]"},
        BadFlag{"max_workers", "0", "in [1, 100000]"},
        BadFlag{"max_workers", "many", ""},
        BadFlag{"worker_start_timeout", "0", "more than 0"},
        BadFlag{"worker_wait_timeout", "-1s", "more than 0"},
        BadFlag{"step_timeout", "0", "more than 0"},
        BadFlag{"step_timeout", "5", ""},  // No unit.
        BadFlag{"step_retries", "-1", "in [0, 10]"},
        BadFlag{"step_retries", "11", "in [0, 10]"},
        BadFlag{"drain_timeout", "-1s", "at least 0"},
        BadFlag{"benchmark_cache_bytes", "-1", "at least 0"},
        BadFlag{"benchmark_cache_bytes", "1.5", ""},
        BadFlag{"benchmark_roots", "relative/path", "absolute paths"},
        BadFlag{"allow_benchmark_commands", "perhaps", ""},
        BadFlag{"max_message_bytes", "1023", "in [1024, 2147483647]"},
        BadFlag{"max_message_bytes", "2147483648", "in [1024, 2147483647]"},
        BadFlag{"max_inflight_bytes", "1023", "at least 1024"},
        BadFlag{"max_record_bytes", "1023", "at least 1024"},
        BadFlag{"alsologtostderr", "loud", ""}, BadFlag{"v", "high", ""},
        BadFlag{"logbuflevel", "low", ""}),
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
  EXPECT_THAT(program.err(), AllOf(HasSubstr("ERROR"), HasSubstr(flag.name),
                                   HasSubstr(flag.value), HasSubstr(flag.allowed)));
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

// ---- Unix sockets ----

class UnixSocketTest : public testing::Test {
 protected:
  bool IsThere() const { return fs::exists(fs::symlink_status(socket_)); }

  const TemporaryDirectory directory_;
  const std::string socket_ = directory_ / "socket";
  AnnouncedService service_{{RunfilePath(kExampleWorker), "--listen=unix:" + socket_},
                            {"", {"TMPDIR=" + directory_.path()}}};
};

TEST_F(UnixSocketTest, ServesTheUserOnlyAndIsGoneAfterTheExit) {
  EXPECT_EQ(service_.address(), "unix:" + socket_);
  EXPECT_EQ(ModeOf(socket_), 0600u);
  const grpc::Status status = GetSpaces(ConnectTo("unix:" + socket_).get());
  EXPECT_TRUE(status.ok()) << status.error_message();
  service_.Signal(SIGTERM);
  EXPECT_EQ(service_.Wait(), 0);
  EXPECT_FALSE(IsThere());
}

TEST_F(UnixSocketTest, IsGoneAfterTheFrontWasKilled) {
  service_.address();
  const std::vector<pid_t> family = FamilyOf(service_.pid());
  service_.Signal(SIGKILL);
  EXPECT_EQ(service_.Wait(), -SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return AllGone(family); }));
  EXPECT_FALSE(IsThere());
  EXPECT_THAT(directory_.Entries(), IsEmpty());
}

// ---- Orderly ends ----

class EndTest : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(, EndTest, testing::Values(SIGTERM, SIGINT),
                         [](const testing::TestParamInfo<int>& info) {
                           return info.param == SIGTERM ? "SigTerm" : "SigInt";
                         });

TEST_P(EndTest, ExitsZeroWithoutSessions) {
  ServiceProcess service(kExampleWorker);
  service.Signal(GetParam());
  EXPECT_EQ(service.Wait(), 0);
}

TEST_P(EndTest, ExitsZeroWithSessionsOpen) {
  ServiceProcess service(kExampleWorker);
  TestSession session(service, kUri, "+-");
  TestSession fork = session.Fork();
  EXPECT_TRUE(session.Step({0}).ok());
  const std::vector<pid_t> family = FamilyOf(service.pid());
  service.Signal(GetParam());
  EXPECT_EQ(service.Wait(), 0);
  EXPECT_TRUE(AllGone(family));
}

TEST_P(EndTest, ExitsZeroWhenSignalledTwiceInARow) {
  ServiceProcess service(kExampleWorker);
  TestSession session(service, kUri, "+-");
  service.Signal(GetParam());
  service.Signal(GetParam());
  EXPECT_EQ(service.Wait(), 0);
}

TEST_P(EndTest, ExitsZeroWhenSignalledDuringItsStart) {
  const TemporaryDirectory directory;
  RunningProgram service({RunfilePath(kExampleWorker), "--working_dir=" + directory.path()});
  // The spawner is the first thing that it starts.
  ASSERT_TRUE(WaitUntil([&] { return !ChildrenOf(service.pid()).empty(); }));
  service.Signal(GetParam());
  EXPECT_EQ(service.Wait(), 0) << service.err();
  EXPECT_THAT(directory.Entries("scratch"), IsEmpty());
  EXPECT_FALSE(fs::exists(directory / "port.txt"));
}

TEST(DrainTest, ExitsZeroWhileNoWorkerHasStartedAndCallsWait) {
  ServiceProcess service(kMisbehavingWorker,
                         {"--worker_flags=--start_mode=hang", "--drain_timeout=100ms"});
  grpc::Status status;
  std::thread caller([&] { status = GetSpaces(service.NewClient().get()); });
  EXPECT_TRUE(WaitUntil([&] { return !service.workers().empty(); }));
  EXPECT_EQ(service.Terminate(), 0);
  caller.join();
  EXPECT_FALSE(status.ok());
}

// A step that runs: its worker has a grandchild by then.
class StepUnderWay {
 public:
  StepUnderWay(const ServiceProcess& service, const std::vector<std::string>& rest)
      : session_(service, kUri, "ok") {
    grpc::ClientContext context;
    compiler_gym::GetSpacesReply spaces;
    EXPECT_TRUE(session_.stub().GetSpaces(&context, {}, &spaces).ok());
    const auto& names = spaces.action_space_list(0).space().named_discrete().name();
    std::vector<int64_t> actions;
    std::vector<std::string> all = {"fork_grandchild"};
    all.insert(all.end(), rest.begin(), rest.end());
    for (const std::string& name : all) {
      actions.push_back(std::find(names.begin(), names.end(), name) - names.begin());
    }
    std::string pid_text;
    int worker = 0;
    EXPECT_TRUE(session_.SendParameter("get_pid", "", &pid_text).ok());
    EXPECT_TRUE(absl::SimpleAtoi(pid_text, &worker));
    thread_ = std::thread([this, actions] {
      status_ = session_.Step(actions, {}, nullptr, kLong);
      is_over_ = true;
    });
    EXPECT_TRUE(WaitUntil([&] { return !ChildrenOf(worker).empty(); }));
  }
  ~StepUnderWay() {
    if (thread_.joinable()) thread_.join();
  }
  grpc::Status Wait() {
    thread_.join();
    return status_;
  }
  bool is_over() const { return is_over_; }

 private:
  TestSession session_;
  std::thread thread_;
  std::atomic<bool> is_over_{false};
  grpc::Status status_;
};

TEST(DrainTest, WaitsForAStepThatEndsInTime) {
  ServiceProcess service(kMisbehavingWorker, {"--drain_timeout=60s"});
  StepUnderWay step(service, {"slow_100ms", "slow_100ms", "slow_100ms"});
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
  const grpc::Status status = step.Wait();
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST(DrainTest, AbortsAStepThatDoesNotEndInTime) {
  ServiceProcess service(kMisbehavingWorker, {"--drain_timeout=300ms"});
  StepUnderWay step(service, {"hang"});
  const absl::Time start = absl::Now();
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(300));
  const grpc::Status status = step.Wait();
  EXPECT_EQ(status.error_code(), StatusCode::ABORTED) << status.error_message();
}

TEST(DrainTest, RefusesNewCallsWithUnavailableAndASecondSignalEndsItAtOnce) {
  ServiceProcess service(kMisbehavingWorker, {"--drain_timeout=10m"});
  StepUnderWay step(service, {"hang"});
  const auto client = service.NewClient();
  EXPECT_TRUE(GetSpaces(client.get()).ok());
  service.Signal(SIGTERM);
  grpc::Status refused;
  EXPECT_TRUE(WaitUntil([&] {
    refused = GetSpaces(client.get());
    return !refused.ok();
  }));
  EXPECT_EQ(refused.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.error_message(), HasSubstr("shutting down"));
  int64_t id = 0;
  EXPECT_EQ(StartSession(client.get(), kUri, 0, &id).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_FALSE(step.is_over());
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
  EXPECT_EQ(step.Wait().error_code(), StatusCode::ABORTED);
}

// ---- Directories of its own ----

class FreshDirectoryTest : public testing::Test {
 protected:
  FreshDirectoryTest() {
    EXPECT_TRUE(GetSpaces(ConnectTo(service_.address()).get()).ok());
    const std::vector<std::string> entries = temporary_.Entries();
    EXPECT_EQ(entries.size(), 1u);
    if (entries.empty()) return;
    EXPECT_THAT(entries[0], HasSubstr("holdfast-"));
    EXPECT_EQ(ModeOf(temporary_ / entries[0]), 0700u);
    EXPECT_THAT(service_.out(), HasSubstr(temporary_ / entries[0]));
  }

  const TemporaryDirectory temporary_;
  AnnouncedService service_{{RunfilePath(kExampleWorker)}, {"", {"TMPDIR=" + temporary_.path()}}};
};

TEST_F(FreshDirectoryTest, IsRemovedAtTheExit) {
  service_.Signal(SIGTERM);
  EXPECT_EQ(service_.Wait(), 0);
  EXPECT_THAT(temporary_.Entries(), IsEmpty());
}

TEST_F(FreshDirectoryTest, IsRemovedWhenTheFrontWasKilled) {
  const std::vector<pid_t> family = FamilyOf(service_.pid());
  EXPECT_GE(family.size(), 3u);  // A spawner and a worker at least.
  service_.Signal(SIGKILL);
  EXPECT_EQ(service_.Wait(), -SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return AllGone(family); }));
  EXPECT_THAT(temporary_.Entries(), IsEmpty());
}

TEST_F(FreshDirectoryTest, IsRemovedWhenFirstTheSpawnerAndThenTheFrontWereKilled) {
  const std::vector<pid_t> old_family = FamilyOf(ChildrenOf(service_.pid()).front());
  kill(old_family.front(), SIGKILL);
  // The next spawner inherits the duty.
  EXPECT_TRUE(WaitUntil([&] {
    const std::vector<pid_t> spawners = ChildrenOf(service_.pid());
    return AllGone(old_family) && spawners.size() == 1 && !ChildrenOf(spawners.front()).empty();
  }));
  const std::vector<pid_t> family = FamilyOf(service_.pid());
  service_.Signal(SIGKILL);
  service_.Wait();
  EXPECT_TRUE(WaitUntil([&] { return AllGone(family); }));
  EXPECT_THAT(temporary_.Entries(), IsEmpty());
}

TEST(KillTest, FrontThatIsKilledLeavesNothingBehindAlsoInMidStep) {
  ServiceProcess service(kMisbehavingWorker);
  StepUnderWay step(service, {"fork_holding_pipes", "hang"});
  TestSession idle(service, kUri, "ok");
  const std::vector<pid_t> family = FamilyOf(service.pid());
  EXPECT_GE(family.size(), 6u);  // Front, spawner, two workers, two grandchildren.
  service.Signal(SIGKILL);
  EXPECT_EQ(service.Wait(), -SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return AllGone(family); }));
  EXPECT_FALSE(step.Wait().ok());
  for (const auto& entry : fs::directory_iterator(service.directory())) {
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr("scratch")));
  }
}

// ---- Ends of parts ----

TEST(SpawnerTest, ServiceSurvivesTheEndOfItsSpawner) {
  ServiceProcess service(kExampleWorker);
  TestSession session(service, kUri, "+.-<>");
  ASSERT_TRUE(session.Step({2}).ok());
  const std::vector<pid_t> family = FamilyOf(service.spawner());
  kill(family.front(), SIGKILL);
  compiler_gym::StepReply reply;
  const grpc::Status status = session.Step({0}, {0}, &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.observation(0).string_value(), "<>");
  EXPECT_TRUE(WaitUntil([&] { return AllGone(family); }));
  TestSession another(service, kUri, "T");
  EXPECT_EQ(another.Observe(0).string_value(), "T");
  EXPECT_EQ(service.Terminate(), 0);
}

class ReplacedBinaryTest : public testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(, ReplacedBinaryTest, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& info) {
                           return info.param ? "WorkerAlone" : "HoldfastWithWorker";
                         });

TEST_P(ReplacedBinaryTest, SessionsGoOnOnTheBinaryThatWasStarted) {
  const TemporaryDirectory directory;
  const std::string copy = directory / "copy";
  fs::copy_file(RunfilePath(kExampleWorker), copy);
  std::vector<std::string> arguments = {copy};
  if (!GetParam()) arguments = {RunfilePath(kHoldfast), "--worker=" + copy};
  AnnouncedService service(arguments, {"", {"TMPDIR=" + directory.path()}});
  const auto client = ConnectTo(service.address());
  ASSERT_TRUE(AddBenchmark(client.get(), kUri, "+.-").ok());
  int64_t id = 0;
  ASSERT_TRUE(StartSession(client.get(), kUri, 0, &id).ok());
  const auto observe = [&](int64_t session, const std::vector<int64_t>& actions) {
    compiler_gym::StepRequest request;
    request.set_session_id(session);
    for (const int64_t action : actions) request.add_action()->set_int64_value(action);
    request.add_observation_space(0);
    compiler_gym::StepReply reply;
    grpc::ClientContext context;
    const grpc::Status status = client->Step(&context, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply.observation_size() == 0 ? "" : reply.observation(0).string_value();
  };
  EXPECT_EQ(observe(id, {2}), "+-");

  fs::remove(copy);
  std::ofstream(copy) << "something else";
  const pid_t spawner = ChildrenOf(service.pid()).front();
  const std::vector<pid_t> workers = ChildrenOf(spawner);
  for (const pid_t worker : workers) kill(worker, SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return AllGone(workers); }));
  EXPECT_EQ(observe(id, {}), "+-");
  // A new spawner, too, is the old program.
  kill(spawner, SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(spawner); }));
  EXPECT_EQ(observe(id, {}), "+-");
  int64_t other = 0;
  ASSERT_TRUE(StartSession(client.get(), kUri, 0, &other).ok());
  EXPECT_EQ(observe(other, {}), "+.-");
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
}

TEST(StoppedWorkerTest, StepTimesOutAndTheNextWorks) {
  // Without warm workers the one there is belongs to the session.
  ServiceProcess service(kMisbehavingWorker, {"--warm_workers=0", "--step_timeout=2s"});
  TestSession session(service, kUri, "ok", /*action_space=*/1);
  ASSERT_TRUE(session.Step({5}).ok());
  const std::vector<pid_t> workers = service.workers();
  ASSERT_EQ(workers.size(), 1u);
  kill(workers[0], SIGSTOP);
  const grpc::Status status = session.Step({7});
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED) << status.error_message();
  EXPECT_TRUE(WaitUntil([&] { return !IsAlive(workers[0]); }));
  compiler_gym::StepReply reply;
  const grpc::Status next = session.Step({1}, {0}, &reply);
  EXPECT_TRUE(next.ok()) << next.error_message();
  EXPECT_EQ(reply.observation(0).int64_value(), 6);
}

TEST(StoppedWorkerTest, ServiceEndsInTime) {
  ServiceProcess service(kExampleWorker);
  TestSession session(service, kUri, "+");
  for (const pid_t worker : service.workers()) kill(worker, SIGSTOP);
  EXPECT_EQ(service.Terminate(), 0);
}

}  // namespace
}  // namespace holdfast
