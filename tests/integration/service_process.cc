#include "tests/integration/service_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

extern char** environ;

// LeakSanitizer asks for it. c-ares, gRPC's resolver, leaks the name when it finds it in
// /etc/hosts.
extern "C" const char* __lsan_default_suppressions() { return "leak:^ares_strdup$\n"; }

namespace holdfast {
namespace {

std::string Slurp(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// State letter and parent of a process; false: it does not exist.
bool ReadStat(pid_t pid, char* state, pid_t* parent) {
  const std::string text = Slurp(absl::StrCat("/proc/", pid, "/stat"));
  const size_t end = text.rfind(')');
  if (end == std::string::npos) return false;
  std::istringstream rest(text.substr(end + 1));
  return static_cast<bool>(rest >> *state >> *parent);
}

pid_t StartProgram(const std::vector<std::string>& arguments, int in, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (in >= 0) posix_spawn_file_actions_adddup2(&actions, in, 0);
  if (out >= 0) posix_spawn_file_actions_adddup2(&actions, out, 1);
  if (err >= 0) posix_spawn_file_actions_adddup2(&actions, err, 2);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    // There is no pid: 0 would mean other processes to whoever signals it.
    ADD_FAILURE() << argv[0] << " cannot be run";
    abort();
  }
  return pid;
}

int ExitOf(int status) { return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status); }

int OpenTemporary() {
  std::string path = testing::TempDir() + "/output-XXXXXX";
  const int fd = mkostemp(path.data(), O_CLOEXEC);
  unlink(path.c_str());
  return fd;
}

std::string TakeText(int fd) {
  std::string text(lseek(fd, 0, SEEK_END), '\0');
  EXPECT_EQ(pread(fd, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  close(fd);
  return text;
}

void SetDeadline(grpc::ClientContext* context, absl::Duration deadline) {
  context->set_deadline(absl::ToChronoTime(absl::Now() + deadline));
}

}  // namespace

bool WaitUntil(const std::function<bool()>& condition, absl::Duration timeout) {
  const absl::Time end = absl::Now() + timeout;
  while (!condition()) {
    if (absl::Now() > end) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    pid_t child = 0;
    char state = 0;
    pid_t parent = 0;
    if (absl::SimpleAtoi(entry.path().filename().string(), &child) &&
        ReadStat(child, &state, &parent) && parent == pid && state != 'Z') {
      children.push_back(child);
    }
  }
  return children;
}

bool IsAlive(pid_t pid) {
  char state = 0;
  pid_t parent = 0;
  return ReadStat(pid, &state, &parent) && state != 'Z';
}

bool IsStopped(pid_t pid) {
  char state = 0;
  pid_t parent = 0;
  return ReadStat(pid, &state, &parent) && state == 'T';
}

std::string RunfilePath(const std::string& path) {
  const char* root = getenv("TEST_SRCDIR");
  const char* workspace = getenv("TEST_WORKSPACE");
  if (root == nullptr || workspace == nullptr) return path;
  return absl::StrCat(root, "/", workspace, "/", path);
}

ServiceProcess::ServiceProcess(const std::string& binary, const std::vector<std::string>& flags) {
  directory_ = testing::TempDir() + "/service-XXXXXX";
  EXPECT_NE(mkdtemp(directory_.data()), nullptr);
  std::vector<std::string> arguments = {RunfilePath(binary),
                                        absl::StrCat("--working_dir=", directory_)};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  // Stdout is the test's or the benchmark's own.
  pid_ = StartProgram(arguments, -1, STDERR_FILENO, -1);
  EXPECT_TRUE(WaitUntil([&] {
    return std::filesystem::exists(directory_ + "/pid.txt") &&
           (std::filesystem::exists(directory_ + "/port.txt") ||
            absl::StrContains(absl::StrJoin(flags, " "), "--listen=unix:"));
  })) << "the service does not start";
}

ServiceProcess::~ServiceProcess() {
  const pid_t spawner_pid = exit_.has_value() ? 0 : spawner();
  const std::vector<pid_t> worker_pids = exit_.has_value() ? std::vector<pid_t>() : workers();
  if (!exit_.has_value()) {
    Signal(SIGKILL);
    Wait();
  }
  EXPECT_TRUE(WaitUntil([&] { return spawner_pid == 0 || !IsAlive(spawner_pid); }))
      << "the spawner outlives the service";
  for (const pid_t worker : worker_pids) EXPECT_FALSE(IsAlive(worker)) << "a worker is left";
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    EXPECT_FALSE(absl::StartsWith(entry.path().filename().string(), kScratchPrefix))
        << "scratch data is left";
  }
  std::filesystem::remove_all(directory_);
}

pid_t ServiceProcess::spawner() const {
  const std::vector<pid_t> children = ChildrenOf(pid_);
  return children.empty() ? 0 : children.front();
}

std::vector<pid_t> ServiceProcess::workers() const {
  const pid_t parent = spawner();
  return parent == 0 ? std::vector<pid_t>() : ChildrenOf(parent);
}

std::string ServiceProcess::ReadFile(const std::string& name) const {
  return Slurp(absl::StrCat(directory_, "/", name));
}

std::string ServiceProcess::address() const {
  return absl::StrCat("127.0.0.1:", absl::StripAsciiWhitespace(ReadFile("port.txt")));
}

std::string ServiceProcess::MetricsText() const {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(ReadFile("metrics_port.txt"), &port));
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
  EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string text;
  char buffer[65536];
  for (ssize_t count = 0; (count = read(fd, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, count);
  }
  close(fd);
  const size_t body = text.find("\r\n\r\n");
  return body == std::string::npos ? "" : text.substr(body + 4);
}

absl::optional<double> ServiceProcess::Metric(const std::string& series) const {
  const std::string text = MetricsText();
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    double value = 0;
    if (absl::ConsumePrefix(&line, series) && absl::ConsumePrefix(&line, " ") &&
        absl::SimpleAtod(line, &value)) {
      return value;
    }
  }
  return absl::nullopt;
}

std::unique_ptr<compiler_gym::CompilerGymService::Stub> ServiceProcess::NewClient() const {
  return ConnectTo(address());
}

std::unique_ptr<compiler_gym::CompilerGymService::Stub> ConnectTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  return compiler_gym::CompilerGymService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

void ServiceProcess::Signal(int signal) const {
  if (!exit_.has_value() && pid_ > 0) kill(pid_, signal);
}

absl::optional<int> ServiceProcess::Wait(absl::Duration timeout) {
  if (exit_.has_value()) return exit_;
  int status = 0;
  if (pid_ > 0 && WaitUntil([&] { return waitpid(pid_, &status, WNOHANG) == pid_; }, timeout)) {
    exit_ = ExitOf(status);
  }
  return exit_;
}

absl::optional<int> ServiceProcess::Terminate() {
  Signal(SIGTERM);
  return Wait();
}

ProgramResult RunProgram(const std::vector<std::string>& arguments,
                         const std::string& standard_input) {
  const int in = OpenTemporary();
  const int out = OpenTemporary();
  const int err = OpenTemporary();
  EXPECT_EQ(pwrite(in, standard_input.data(), standard_input.size(), 0),
            static_cast<ssize_t>(standard_input.size()));
  int status = 0;
  const pid_t pid = StartProgram(arguments, in, out, err);
  if (pid != 0) waitpid(pid, &status, 0);
  close(in);
  return {ExitOf(status), TakeText(out), TakeText(err)};
}

TestSession::TestSession(const ServiceProcess& service, const std::string& benchmark_uri,
                         const std::string& program, int action_space)
    : service_(&service), stub_(service.NewClient()) {
  const grpc::Status added = AddBenchmark(stub_.get(), benchmark_uri, program);
  EXPECT_TRUE(added.ok()) << added.error_message();
  const grpc::Status started = StartSession(stub_.get(), benchmark_uri, action_space, &id_);
  EXPECT_TRUE(started.ok()) << started.error_message();
}

TestSession::TestSession(const ServiceProcess& service, int64_t id)
    : service_(&service), stub_(service.NewClient()), id_(id) {}

grpc::Status TestSession::Step(const std::vector<int64_t>& actions,
                               const std::vector<int>& observations, compiler_gym::StepReply* reply,
                               absl::Duration deadline) {
  compiler_gym::StepRequest request;
  request.set_session_id(id_);
  for (const int64_t action : actions) request.add_action()->set_int64_value(action);
  for (const int observation : observations) request.add_observation_space(observation);
  compiler_gym::StepReply ignored;
  grpc::ClientContext context;
  SetDeadline(&context, deadline);
  return stub_->Step(&context, request, reply == nullptr ? &ignored : reply);
}

compiler_gym::Event TestSession::Observe(int observation) {
  compiler_gym::StepReply reply;
  const grpc::Status status = Step({}, {observation}, &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return reply.observation_size() == 1 ? reply.observation(0) : compiler_gym::Event();
}

TestSession TestSession::Fork() {
  compiler_gym::ForkSessionRequest request;
  request.set_session_id(id_);
  compiler_gym::ForkSessionReply reply;
  grpc::ClientContext context;
  SetDeadline(&context, absl::Seconds(60));
  const grpc::Status status = stub_->ForkSession(&context, request, &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return TestSession(*service_, reply.session_id());
}

grpc::Status TestSession::SendParameter(const std::string& key, const std::string& value,
                                        std::string* reply) {
  compiler_gym::SendSessionParameterRequest request;
  request.set_session_id(id_);
  request.add_parameter()->set_key(key);
  request.mutable_parameter(0)->set_value(value);
  compiler_gym::SendSessionParameterReply replies;
  grpc::ClientContext context;
  SetDeadline(&context, absl::Seconds(60));
  grpc::Status status = stub_->SendSessionParameter(&context, request, &replies);
  if (reply != nullptr && replies.reply_size() == 1) *reply = replies.reply(0);
  return status;
}

int TestSession::End() {
  compiler_gym::EndSessionRequest request;
  request.set_session_id(id_);
  compiler_gym::EndSessionReply reply;
  grpc::ClientContext context;
  SetDeadline(&context, absl::Seconds(60));
  const grpc::Status status = stub_->EndSession(&context, request, &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return reply.remaining_sessions();
}

grpc::Status AddBenchmark(compiler_gym::CompilerGymService::Stub* stub, const std::string& uri,
                          const std::string& program) {
  compiler_gym::AddBenchmarkRequest request;
  compiler_gym::Benchmark* benchmark = request.add_benchmark();
  benchmark->set_uri(uri);
  benchmark->mutable_program()->set_contents(program);
  compiler_gym::AddBenchmarkReply reply;
  grpc::ClientContext context;
  SetDeadline(&context, absl::Seconds(60));
  return stub->AddBenchmark(&context, request, &reply);
}

grpc::Status StartSession(compiler_gym::CompilerGymService::Stub* stub, const std::string& uri,
                          int action_space, int64_t* id, absl::Duration deadline) {
  compiler_gym::StartSessionRequest request;
  request.mutable_benchmark()->set_uri(uri);
  request.set_action_space(action_space);
  compiler_gym::StartSessionReply reply;
  grpc::ClientContext context;
  SetDeadline(&context, deadline);
  grpc::Status status = stub->StartSession(&context, request, &reply);
  *id = reply.session_id();
  return status;
}

absl::optional<WorkerFailure> FailureOf(const grpc::Status& status) {
  StatusDetails details;
  WorkerFailure failure;
  if (!details.ParseFromString(status.error_details()) || details.details_size() != 1 ||
      !details.details(0).UnpackTo(&failure)) {
    return absl::nullopt;
  }
  return failure;
}

}  // namespace holdfast
