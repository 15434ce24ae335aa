// The admin socket: who can have it, when it goes, and what it answers to clients of all kinds.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/unique_fd.h"
#include "proto/admin.grpc.pb.h"
#include "tests/holdfastctl/operated_service.h"
#include "tests/integration/misbehaving_service.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr char kService[] = "tests/testcases/misbehaving_worker";

// A socket at the path that nobody listens on, as of a service that was killed with its spawner.
void LeaveSocket(const std::string& path) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
}

std::unique_ptr<admin::Admin::Stub> AskAt(const std::string& socket) {
  return admin::Admin::NewStub(
      grpc::CreateChannel("unix:" + socket, grpc::InsecureChannelCredentials()));
}

std::vector<std::string> ServiceIn(const std::string& directory,
                                   const std::vector<std::string>& flags = {}) {
  std::vector<std::string> command = {RunfilePath(kService), "--working_dir=" + directory};
  command.insert(command.end(), flags.begin(), flags.end());
  return command;
}

TEST(AdminSocketTest, IsForTheUserAloneAndGoesAtTheEnd) {
  OperatedService service;
  EXPECT_EQ(ModeOf(service.socket()), 0600U);
  EXPECT_EQ(service.service().Terminate(), 0);
  EXPECT_FALSE(fs::exists(service.socket()));
}

TEST(AdminSocketTest, GoesWithAFrontThatIsKilled) {
  OperatedService service;
  ASSERT_TRUE(fs::exists(service.socket()));
  service.service().Signal(SIGKILL);
  EXPECT_EQ(service.service().Wait(), -SIGKILL);
  EXPECT_TRUE(WaitUntil([&] { return !fs::exists(service.socket()); }));
}

TEST(AdminSocketTest, IsInTheWorkingDirectoryUnlessToldOtherwise) {
  TemporaryDirectory directory;
  LeaveSocket(directory / "admin.sock");  // It is replaced.
  AnnouncedService service(ServiceIn(directory.path()));
  service.address();
  EXPECT_EQ(ModeOf(directory / "admin.sock"), 0600U);
  EXPECT_EQ(Ctl({"status", directory.path()}).exit, 0);
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
  EXPECT_FALSE(fs::exists(directory / "admin.sock"));
}

TEST(AdminSocketTest, AnotherServiceLeavesItToTheFirst) {
  OperatedService service;
  TemporaryDirectory directory;
  RunningProgram second(ServiceIn(directory.path(), {"--admin_socket=" + service.socket()}));
  EXPECT_EQ(second.Wait(), 1);
  EXPECT_THAT(second.err(), HasSubstr("another process listens on it"));
  EXPECT_EQ(service.Ctl("status").exit, 0);
}

TEST(AdminSocketTest, CanBeLeftOut) {
  TemporaryDirectory directory;
  AnnouncedService service(ServiceIn(directory.path(), {"--admin_socket=none"}));
  service.address();
  EXPECT_FALSE(fs::exists(directory / "admin.sock"));
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
}

TEST(AdminSocketTest, APathThatCannotBeHadIsAnErrorIfItWasAskedFor) {
  TemporaryDirectory directory;
  const std::string path = directory / std::string(100, 'x');
  RunningProgram service(ServiceIn(directory.path(), {"--admin_socket=" + path}));
  EXPECT_EQ(service.Wait(), 1);
  EXPECT_THAT(service.err(), HasSubstr(absl::StrCat(
                                 "ERROR: --admin_socket: cannot listen on unix:", path,
                                 ": the path has ", path.size(), " bytes, must have 1 to 107")));
}

TEST(AdminSocketTest, ADirectoryThatIsTooDeepForItIsServedWithoutIt) {
  TemporaryDirectory directory;
  const std::string deep = directory / std::string(100, 'x');
  AnnouncedService service(ServiceIn(deep));
  service.address();
  EXPECT_TRUE(WaitUntil([&] {
    return absl::StrContains(Slurp(deep + "/logs/holdfast.log"),
                             "operators cannot ask this service why=\"--admin_socket: cannot");
  }));
  EXPECT_THAT(Ctl({"status", deep}).err, HasSubstr("the path of a socket has at most 107 bytes"));
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
}

TEST(AdminSocketTest, WhoIsNotThereIsNotWaitedFor) {
  TemporaryDirectory directory;
  LeaveSocket(directory / "left.sock");
  const std::string existing = directory / "file";
  std::ofstream(existing) << "no socket";
  const absl::Time start = absl::Now();
  for (const auto& [path, text] : std::vector<std::pair<std::string, std::string>>{
           {directory.path(), "/admin.sock: No such file or directory: no service runs there"},
           {directory / "left.sock", "Connection refused: the service that had it is gone"},
           {existing, "Connection refused"},
           {directory / "nothing", "No such file or directory"},
           {directory / std::string(200, 'x'), "at most 107 bytes"}}) {
    for (const char* command : {"status", "health", "drain", "top"}) {
      const ProgramResult result = Ctl({command, path});
      EXPECT_EQ(result.exit, 2);
      EXPECT_THAT(result.err, HasSubstr(text));
      EXPECT_EQ(result.out, "");
    }
  }
  EXPECT_LT(absl::Now() - start, 20 * absl::Seconds(1));  // One for each.
}

TEST(AdminSocketTest, MisusesAreNamed) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> misuses = {
      {{}, "no command, must be one of status, "},
      {{"boom", "x"}, "the command is boom, must be one of"},
      {{"status"}, "status has 0 arguments, must have 1: PATH"},
      {{"kill-worker", "x"}, "kill-worker has 1 arguments, must have 2: PATH ID"},
      {{"kill-worker", "x", "one"}, "the worker is one, must be a number"},
      {{"kill-worker", "x", "--", "-1"}, "the worker is -1, must be a number"},
      {{"log", "x", "--lines=10001"}, "--lines is 10001, must be in [0, 10000]"},
      {{"top", "x", "--interval=10ms"}, "--interval is 10ms, must be at least 100ms"},
      {{"top", "x", "--iterations=-1"}, "--iterations is -1, must be at least 0"},
      {{"status", "x", "--colour"}, "colour"},
  };
  for (const auto& [arguments, text] : misuses) {
    const ProgramResult result = Ctl(arguments);
    EXPECT_EQ(result.exit, 2) << text;
    EXPECT_THAT(result.err, HasSubstr(text));
  }
}

TEST(AdminSocketTest, BadRequestsAreRefusedByField) {
  OperatedService service;
  const auto admin = AskAt(service.socket());
  for (const int sessions : {-1, 1001}) {
    grpc::ClientContext context;
    admin::GetStatusRequest request;
    request.set_max_sessions(sessions);
    admin::ServiceStatus reply;
    const grpc::Status status = admin->GetStatus(&context, request, &reply);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(status.error_message(),
              absl::StrCat("max_sessions is ", sessions, ", must be in [0, 1000]"));
  }
  for (const int lines : {-1, 10001}) {
    grpc::ClientContext context;
    admin::ReadLogRequest request;
    request.set_lines(lines);
    admin::LogLines reply;
    const auto stream = admin->ReadLog(&context);
    stream->Write(request);
    EXPECT_FALSE(stream->Read(&reply));
    EXPECT_EQ(stream->Finish().error_message(),
              absl::StrCat("lines is ", lines, ", must be in [0, 10000]"));
  }
  grpc::ClientContext context;
  const auto stream = admin->ReadLog(&context);
  stream->WritesDone();
  EXPECT_EQ(stream->Finish().error_message(),
            "the call has no request that can be read, must have one");
}

TEST(AdminSocketTest, ListsAreAsLongAsAsked) {
  OperatedService service;
  std::vector<TestSession> sessions;
  for (int i = 0; i < 3; ++i) sessions.push_back(service.service().NewSession());
  // The latest call comes first.
  EXPECT_TRUE(StepBy(&sessions[1], {"noop"}).ok());
  EXPECT_FALSE(StepBy(&sessions[0], {"crash"}).ok());
  grpc::ClientContext context;
  admin::GetStatusRequest request;
  request.set_max_sessions(2);
  request.set_max_failures(1);
  admin::ServiceStatus reply;
  ASSERT_TRUE(AskAt(service.socket())->GetStatus(&context, request, &reply).ok());
  ASSERT_EQ(reply.sessions_size(), 2);
  EXPECT_EQ(reply.sessions(0).id(), sessions[0].id());
  EXPECT_EQ(reply.sessions(1).id(), sessions[1].id());
  EXPECT_EQ(reply.failures_size(), 1);
  // Workers know their sessions all the same.
  int known = 0;
  for (const admin::Worker& worker : reply.workers()) known += worker.session() != 0 ? 1 : 0;
  EXPECT_GE(known, 2);
}

// A worker that is waited for is not a thread that waits in gRPC for descriptors: that would make
// each step dearer.
TEST(AdminSocketTest, ItsThreadsSleep) {
  OperatedService service;
  RunningProgram follower(service.CtlCommand("log", {"--follow"}));
  ASSERT_TRUE(WaitUntil([&] { return !follower.out().empty(); })) << follower.err();
  EXPECT_EQ(service.Ctl("status").exit, 0);
  int seen = 0;
  for (const auto& task :
       fs::directory_iterator(absl::StrCat("/proc/", service.service().pid(), "/task"))) {
    if (!absl::StartsWith(Slurp(task.path() / "comm"), "grpcpp_sync")) continue;
    EXPECT_TRUE(WaitUntil([&] {
      const std::string call = Slurp(task.path() / "syscall");
      return call.empty() || absl::StartsWith(call, absl::StrCat(SYS_futex, " "));
    })) << Slurp(task.path() / "syscall");
    ++seen;
  }
  EXPECT_GE(seen, 1);
}

TEST(AdminSocketTest, AReaderWhoTakesNothingIsCutOff) {
  TemporaryDirectory directory;
  fs::create_directory(directory / "logs");
  {
    std::ofstream log(directory / "logs/holdfast.log");
    for (int i = 0; i < 9000; ++i) log << std::string(1000, 'x') << "\n";
  }
  AnnouncedService service(ServiceIn(directory.path()));
  service.address();
  // Nobody reads what it prints.
  const std::string pipe = directory / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  UniqueFd end(open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  RunningProgram reader({"/bin/sh", "-c", R"(exec "$1" log "$2" --follow --lines=10000 >"$3")",
                         "sh", CtlCommand({}).front(), directory.path(), pipe});
  EXPECT_TRUE(WaitUntil([&] {
    return absl::StrContains(Slurp(directory / "logs/holdfast.log"),
                             "a reader of the log is cut off: it keeps the service waiting");
  }));
  end.reset();
  EXPECT_TRUE(reader.Wait().has_value());
  // Others do not notice.
  EXPECT_THAT(Ctl({"log", directory.path(), "--lines=1"}).out, HasSubstr("is cut off"));
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(), 0);
}

// Asks for the log, and reads it to its end.
void ReadAll(grpc::ClientReaderWriter<admin::ReadLogRequest, admin::LogLines>* stream) {
  stream->Write(admin::ReadLogRequest());
  admin::LogLines reply;
  while (!reply.is_last()) ASSERT_TRUE(stream->Read(&reply));
}

// The connection must be there until the client knows that it has got all.
TEST(AdminSocketTest, ALogEndsWhenItsReaderClosesItsSide) {
  OperatedService service;
  const auto admin = AskAt(service.socket());
  grpc::ClientContext context;
  const auto stream = admin->ReadLog(&context);
  ReadAll(stream.get());
  admin::LogLines reply;
  std::future<bool> is_more = std::async(std::launch::async, [&] { return stream->Read(&reply); });
  EXPECT_EQ(is_more.wait_for(std::chrono::seconds(1)), std::future_status::timeout);
  stream->WritesDone();
  EXPECT_FALSE(is_more.get());
  EXPECT_TRUE(stream->Finish().ok());
}

TEST(AdminSocketTest, AReaderWhoSaysNothingIsCutOff) {
  OperatedService service;
  const auto admin = AskAt(service.socket());
  grpc::ClientContext silent_context;
  const auto silent = admin->ReadLog(&silent_context);
  grpc::ClientContext open_context;
  const auto open = admin->ReadLog(&open_context);
  ReadAll(open.get());
  const absl::Time start = absl::Now();
  admin::LogLines reply;
  EXPECT_FALSE(silent->Read(&reply));
  EXPECT_EQ(silent->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_FALSE(open->Read(&reply));
  EXPECT_EQ(open->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
}

TEST(AdminSocketTest, ReadersOfTheLogLeaveRoomForOthers) {
  constexpr size_t kMaxReaders = 8;
  OperatedService service;
  std::vector<std::unique_ptr<RunningProgram>> followers;
  for (size_t i = 0; i < kMaxReaders; ++i) {
    followers.push_back(std::make_unique<RunningProgram>(service.CtlCommand("log", {"--follow"})));
    ASSERT_TRUE(WaitUntil([&] { return !followers.back()->out().empty(); }));
  }
  EXPECT_EQ(service.Ctl("status").exit, 0);
  const ProgramResult refused = service.Ctl("log");
  EXPECT_EQ(refused.exit, 2);
  EXPECT_THAT(refused.err, HasSubstr("8 calls read the log already, as many as may"));
  followers.pop_back();
  EXPECT_TRUE(WaitUntil([&] { return service.Ctl("log").exit == 0; }));
}

// Neither a follower nor one that was stopped holds up the end.
TEST(AdminSocketTest, TheEndWaitsForNoReader) {
  OperatedService service;
  RunningProgram follower(service.CtlCommand("log", {"--follow"}));
  RunningProgram stopped(service.CtlCommand("log", {"--follow"}));
  ASSERT_TRUE(WaitUntil([&] { return !follower.out().empty() && !stopped.out().empty(); }));
  stopped.Signal(SIGSTOP);
  const absl::Time start = absl::Now();
  EXPECT_EQ(service.service().Terminate(), 0);
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  EXPECT_EQ(follower.Wait(), 0) << follower.err();
  EXPECT_THAT(follower.out(), HasSubstr("ending sessions"));
}

}  // namespace
}  // namespace holdfast
