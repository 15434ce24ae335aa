// What the service does not give away, read or execute unless it is told to.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/misbehaving_service.h"

namespace holdfast {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

namespace fs = std::filesystem;

mode_t ModeOf(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(lstat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

// Calls `visit` with all that is below `directory` and no link. Workers come and go meanwhile, and
// their directories with them: what is gone is passed over.
void VisitBelow(const std::string& directory,
                const std::function<void(const std::string& path, const struct stat&)>& visit) {
  std::error_code gone;
  for (auto entry = fs::directory_iterator(directory, gone);
       !gone && entry != fs::directory_iterator(); entry.increment(gone)) {
    const std::string path = entry->path().string();
    struct stat info = {};
    if (lstat(path.c_str(), &info) != 0 || S_ISLNK(info.st_mode)) continue;
    visit(path, info);
    if (S_ISDIR(info.st_mode)) VisitBelow(path, visit);
  }
}

// A directory that is removed again.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    // Not below TempDir(): the path of a Unix socket must be short.
    EXPECT_NE(mkdtemp(path_.data()), nullptr);
    path_ = fs::canonical(path_);
  }
  ~TemporaryDirectory() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return absl::StrCat(path_, "/", name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/holdfast-test-XXXXXX";
};

TEST(SecurityDefaultsTest, FilesOfTheServiceAreItsUsersOwn) {
  const mode_t previous = umask(0);
  {
    MisbehavingService service;
    TestSession session = service.NewSession();
    ASSERT_TRUE(StepBy(&session, {"crash"}).error_code() == StatusCode::ABORTED);
    int directories = 0;
    int files = 0;
    VisitBelow(service.directory(), [&](const std::string& path, const struct stat& info) {
      if (S_ISDIR(info.st_mode)) {
        ++directories;
        EXPECT_EQ(info.st_mode & 07777, 0700u) << path;
      } else {
        ++files;
        EXPECT_EQ(info.st_mode & 0177, 0u) << path;
      }
    });
    EXPECT_GE(directories, 3) << "logs, scratch, one for a worker";
    EXPECT_GE(files, 3) << "port.txt, pid.txt, a log";
    EXPECT_FALSE(fs::is_empty(service.directory() + "/logs"));
  }
  umask(previous);
}

TEST(SecurityDefaultsTest, NewWorkingDirectoryIsItsUsersOwn) {
  const TemporaryDirectory parent;
  const mode_t previous = umask(0);
  {
    const std::string directory = parent / "new/working";
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const std::string binary = RunfilePath("tests/testcases/misbehaving_worker");
      execl(binary.c_str(), binary.c_str(), ("--working_dir=" + directory).c_str(), nullptr);
      _exit(127);
    }
    EXPECT_TRUE(WaitUntil([&] { return fs::exists(directory + "/port.txt"); }));
    EXPECT_EQ(ModeOf(directory), 0700u);
    EXPECT_EQ(ModeOf(directory + "/port.txt"), 0600u);
    kill(child, SIGTERM);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  umask(previous);
}

TEST(SecurityDefaultsTest, UnixSocketIsItsUsersOwnAndServed) {
  const TemporaryDirectory directory;
  const std::string path = directory / "socket";
  {
    MisbehavingService service({"--listen=unix:" + path});
    EXPECT_EQ(ModeOf(path), 0600u);
    EXPECT_FALSE(fs::exists(service.directory() + "/port.txt"));
    const auto stub = compiler_gym::CompilerGymService::NewStub(
        grpc::CreateChannel("unix:" + path, grpc::InsecureChannelCredentials()));
    ASSERT_TRUE(AddBenchmark(stub.get(), "benchmark://test/ok", "ok").ok());
    int64_t id = 0;
    EXPECT_TRUE(StartSession(stub.get(), "benchmark://test/ok", 0, &id).ok());
    EXPECT_EQ(service.Terminate(), 0);
  }
  EXPECT_FALSE(fs::exists(path)) << "the socket is left";
}

TEST(SecurityDefaultsTest, SessionIdsCannotBeGuessed) {
  std::set<int64_t> ids;
  for (int run = 0; run < 2; ++run) {
    MisbehavingService service;
    TestSession parent = service.NewSession();
    const TestSession child = parent.Fork();
    const TestSession other = service.NewSession();
    for (const int64_t id : {parent.id(), child.id(), other.id()}) {
      EXPECT_GT(id, int64_t{1} << 32) << "one of 2^31 random ids may be smaller";
      EXPECT_TRUE(ids.insert(id).second);
    }
  }
}

// ---- Programs from files ----

grpc::Status AddFile(MisbehavingService* service, const std::string& uri) {
  compiler_gym::AddBenchmarkRequest request;
  request.add_benchmark()->set_uri("benchmark://test/file");
  request.mutable_benchmark(0)->mutable_program()->set_uri(uri);
  compiler_gym::AddBenchmarkReply reply;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  return service->NewClient()->AddBenchmark(&context, request, &reply);
}

class FileTest : public testing::Test {
 protected:
  FileTest() {
    fs::create_directories(directory_ / "root/sub");
    fs::create_directories(directory_ / "root-not");
    WriteText(directory_ / "root/sub/good", "ok");
    WriteText(directory_ / "root/empty", "");
    WriteText(directory_ / "secret", "ok");
    WriteText(directory_ / "root-not/secret", "ok");
    fs::create_symlink(directory_ / "secret", directory_ / "root/escape");
    fs::create_directory_symlink(directory_.path(), directory_ / "root/up");
    fs::create_symlink("sub/good", directory_ / "root/inner");
    fs::create_directory_symlink("root", directory_ / "alias");
    EXPECT_EQ(mkfifo((directory_ / "root/fifo").c_str(), 0600), 0);
  }

  std::string Uri(const std::string& name) const { return "file://" + (directory_ / name); }
  void ExpectRefused(MisbehavingService* service, const std::string& uri, const std::string& text) {
    const grpc::Status status = AddFile(service, uri);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << uri;
    EXPECT_THAT(status.error_message(), HasSubstr(text)) << uri;
    EXPECT_THAT(status.error_message(), HasSubstr("benchmark[0].program.uri")) << uri;
    int64_t id = 0;
    EXPECT_EQ(
        StartSession(service->NewClient().get(), "benchmark://test/file", 0, &id).error_code(),
        StatusCode::NOT_FOUND);
  }

  TemporaryDirectory directory_;
};

TEST_F(FileTest, AreRefusedWithoutRoots) {
  MisbehavingService service;
  for (const char* name : {"root/sub/good", "root/missing", "root", "root/fifo"}) {
    ExpectRefused(&service, Uri(name), "--benchmark_roots");
  }
}

TEST_F(FileTest, BelowARootAreReadWhenTheyAreAdded) {
  MisbehavingService service({"--benchmark_roots=" + (directory_ / "root")});
  const auto client = service.NewClient();
  for (const char* name : {"root/sub/good", "root/inner", "alias/sub/good", "root/up/root/inner"}) {
    const grpc::Status status = AddFile(&service, Uri(name));
    EXPECT_TRUE(status.ok()) << name << ": " << status.error_message();
  }
  int64_t id = 0;
  ASSERT_TRUE(StartSession(client.get(), "benchmark://test/file", 0, &id).ok());
  TestSession session(service, id);
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  WriteText(directory_ / "root/sub/good", "crash-in-init");
  ExpectState(&session, "add_one = 1");
  fs::remove(directory_ / "root/sub/good");
  EXPECT_TRUE(StartSession(client.get(), "benchmark://test/file", 0, &id).ok());
}

TEST_F(FileTest, ThatAreNotBelowARootAreRefused) {
  MisbehavingService service({"--benchmark_roots=" + (directory_ / "root")});
  for (const char* name : {"secret", "root-not/secret", "root/../secret", "root/escape",
                           "root/up/secret", "root/sub/../../secret", "root-not/missing"}) {
    ExpectRefused(&service, Uri(name), "not below --benchmark_roots");
  }
  ExpectRefused(&service, "file:///etc/passwd", "not below --benchmark_roots");
  ExpectRefused(&service, "file:///proc/self/environ", "not below --benchmark_roots");
}

TEST_F(FileTest, ThatAreNoneAreRefused) {
  MisbehavingService service({"--benchmark_roots=" + (directory_ / "root")});
  ExpectRefused(&service, Uri("root/missing"), "File not found");
  ExpectRefused(&service, Uri("root/sub"), "not a regular file");
  ExpectRefused(&service, Uri("root/fifo"), "not a regular file");
  ExpectRefused(&service, Uri("root/empty"), "File is empty");
  ExpectRefused(&service, "http://localhost/program", "must begin with file://");
}

TEST_F(FileTest, MissingOnesDoNotTellWhatLiesOutsideOfTheRoots) {
  MisbehavingService service({"--benchmark_roots=" + (directory_ / "root")});
  // The same answer, whether the file exists or not.
  for (const char* base : {"", "root/../"}) {
    std::vector<std::string> answers;
    for (const char* name : {"secret", "absent"}) {
      const std::string uri = Uri(absl::StrCat(base, name));
      const std::string message = AddFile(&service, uri).error_message();
      answers.push_back(message.substr(message.find(uri) + uri.size()));
    }
    EXPECT_EQ(answers[0], answers[1]) << "root/" << base;
  }
}

// ---- Commands ----

TEST(SecurityDefaultsTest, BenchmarksWithCommandsAreRefusedUnlessAllowed) {
  using Config = compiler_gym::BenchmarkDynamicConfig;
  const std::function<compiler_gym::Command*(Config*)> kCommands[] = {
      [](Config* config) { return config->mutable_build_cmd(); },
      [](Config* config) { return config->mutable_run_cmd(); },
      [](Config* config) { return config->add_pre_run_cmd(); },
      [](Config* config) { return config->add_post_run_cmd(); },
  };
  MisbehavingService refusing;
  MisbehavingService allowing({"--allow_benchmark_commands"});
  for (const auto& command : kCommands) {
    compiler_gym::AddBenchmarkRequest request;
    compiler_gym::Benchmark* benchmark = request.add_benchmark();
    benchmark->set_uri("benchmark://test/commands");
    benchmark->mutable_program()->set_contents("ok");
    command(benchmark->mutable_dynamic_config())->add_argument("true");
    compiler_gym::StartSessionRequest start;
    *start.mutable_benchmark() = *benchmark;
    for (MisbehavingService* service : {&refusing, &allowing}) {
      const auto client = service->NewClient();
      grpc::ClientContext contexts[2];
      compiler_gym::AddBenchmarkReply added;
      compiler_gym::StartSessionReply started;
      for (const grpc::Status& status : {client->AddBenchmark(&contexts[0], request, &added),
                                         client->StartSession(&contexts[1], start, &started)}) {
        if (service == &allowing) {
          EXPECT_TRUE(status.ok()) << status.error_message();
        } else {
          EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
          EXPECT_THAT(status.error_message(), HasSubstr("--allow_benchmark_commands"));
        }
      }
    }
  }
  EXPECT_EQ(refusing.CountSessions(), 0);
}

}  // namespace
}  // namespace holdfast
