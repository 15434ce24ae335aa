// A worker process by itself, without a front: what it leaves behind when LLVM ends it.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/config.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/unique_fd.h"
#include "common/worker_answer.h"
#include "common/worker_progress.h"
#include "proto/compiler_gym_service.grpc.pb.h"
#include "proto/worker_control.grpc.pb.h"
#include "tests/worker/llvm/test_support.h"

namespace holdfast::llvm_session {
namespace {

using testing::HasSubstr;

constexpr char kWorker[] = "worker/llvm/llvm_worker";
constexpr int kUnsafeSpace = 2;

// Killed at destruction.
class WorkerProcess {
 public:
  explicit WorkerProcess(const std::string& progress_file) {
    absl::StatusOr<FdPair> out = MakePipe();
    absl::StatusOr<FdPair> err = MakePipe();
    const std::string progress_flag = absl::StrCat("--worker_progress_file=", progress_file);
    // It goes with the test, for the worker leaves it.
    std::string scratch = absl::StrCat(testing::TempDir(), "/worker-XXXXXX");
    EXPECT_NE(mkdtemp(scratch.data()), nullptr);
    const std::string scratch_flag = absl::StrCat("--worker_scratch_directory=", scratch);
    pid_ = fork();
    if (pid_ == 0) {
      const rlimit no_core{0, 0};
      setrlimit(RLIMIT_CORE, &no_core);
      dup2(out->second.get(), STDOUT_FILENO);
      dup2(err->second.get(), STDERR_FILENO);
      execl(kWorker, kWorker, "--holdfast_role=worker", "--worker_listen=127.0.0.1:0",
            progress_flag.c_str(), scratch_flag.c_str(), nullptr);
      _exit(127);
    }
    err_ = std::move(err->first);
    out->second.reset();
    const std::string announced = ReadAll(out->first.get(), '\n');
    int port = 0;
    EXPECT_EQ(sscanf(announced.c_str(), "Serving one session on port %d", &port), 1) << announced;
    const auto channel =
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
    stub_ = compiler_gym::CompilerGymService::NewStub(channel);
    control_ = WorkerControl::NewStub(channel);
  }
  ~WorkerProcess() {
    if (pid_ > 0) WaitForEnd(SIGKILL);
  }

  // Of the process, as waitpid() tells it, after `signal_number`, or by itself for 0.
  int WaitForEnd(int signal_number = 0) {
    if (signal_number != 0) kill(pid_, signal_number);
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = 0;
    return status;
  }
  // All of its stderr; once, after its end.
  std::string Errors() { return ReadAll(err_.get(), '\0'); }

  grpc::Status Start(const std::string& program) {
    compiler_gym::StartSessionRequest request;
    request.mutable_benchmark()->set_uri("benchmark://test/program");
    request.mutable_benchmark()->mutable_program()->set_contents(program);
    request.set_action_space(kUnsafeSpace);
    compiler_gym::StartSessionReply reply;
    grpc::ClientContext context;
    grpc::Status status = stub_->StartSession(&context, request, &reply);
    session_ = reply.session_id();
    return status;
  }
  grpc::Status Step(const std::vector<std::string>& actions) {
    compiler_gym::StepRequest request;
    request.set_session_id(session_);
    for (const std::string& action : actions) {
      const absl::Span<const Pass> passes = UnsafePasses();
      int index = 0;
      while (passes.at(index).name != action) ++index;
      request.add_action()->set_int64_value(index);
    }
    compiler_gym::StepReply reply;
    grpc::ClientContext context;
    return stub_->Step(&context, request, &reply);
  }
  grpc::Status Snapshot(WorkerSnapshot* snapshot) {
    SnapshotReply reply;
    grpc::ClientContext context;
    grpc::Status status = control_->Snapshot(&context, {}, &reply);
    *snapshot = reply.snapshot();
    EXPECT_TRUE(FromTrailers(context)->clean);
    return status;
  }
  grpc::Status Restore(const std::string& program, const WorkerSnapshot& snapshot) {
    RestoreRequest request;
    request.mutable_benchmark()->mutable_program()->set_contents(program);
    request.set_action_space(kUnsafeSpace);
    *request.mutable_snapshot() = snapshot;
    RestoreReply reply;
    grpc::ClientContext context;
    grpc::Status status = control_->Restore(&context, request, &reply);
    if (status.ok()) session_ = reply.session_id();
    EXPECT_EQ(FromTrailers(context)->is_error, !status.ok());
    return status;
  }
  std::string Fingerprint() {
    FingerprintReply reply;
    grpc::ClientContext context;
    EXPECT_TRUE(control_->Fingerprint(&context, {}, &reply).ok());
    return reply.fingerprint();
  }

 private:
  // Until its end, or `last`. The pipe's reading end does not block, hence poll().
  static std::string ReadAll(int fd, char last) {
    std::string text;
    char c = '\0';
    pollfd readable{fd, POLLIN, 0};
    while (poll(&readable, 1, /*timeout=*/60'000) == 1 && read(fd, &c, 1) == 1) {
      text.push_back(c);
      if (c == last) break;
    }
    return text;
  }

  pid_t pid_ = 0;
  UniqueFd err_;
  std::unique_ptr<compiler_gym::CompilerGymService::Stub> stub_;
  std::unique_ptr<WorkerControl::Stub> control_;
  int64_t session_ = 0;
};

class WorkerProcessTest : public testing::Test {
 protected:
  WorkerProcessTest() : progress_file_(scratch_.path() + "/progress"), worker_(progress_file_) {}

  const ScratchDirectory scratch_;
  const std::string progress_file_;
  WorkerProcess worker_;
};

TEST_F(WorkerProcessTest, TellsInWhichActionItDiedAndWhere) {
  ASSERT_TRUE(worker_.Start(DemoProgram("calculator.c")).ok());
  ASSERT_TRUE(worker_.Step({"sroa", "gvn"}).ok());
  EXPECT_EQ(ReadProgress(progress_file_).activity, WorkerFailure::NONE);
  const absl::Time start = absl::Now();
  EXPECT_FALSE(worker_.Step({"licm", "sroa", "trigger-crash-function", "gvn"}).ok());
  const int status = worker_.WaitForEnd();
  std::cout << "step and end took " << absl::Now() - start << "\n";
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
  EXPECT_EQ(ReadProgress(progress_file_).activity, WorkerFailure::ACTION);
  EXPECT_EQ(ReadProgress(progress_file_).index, 2);
#if !defined(ABSL_HAVE_ADDRESS_SANITIZER) && !defined(ABSL_HAVE_THREAD_SANITIZER)
  const std::string errors = worker_.Errors();
  EXPECT_THAT(errors, HasSubstr("llvm::ModuleToFunctionPassAdaptor::run()"));
  EXPECT_LT(errors.size(), 4096u) << "what a front keeps";
#endif
}

TEST_F(WorkerProcessTest, KilledBetweenCallsItWasDoingNothing) {
  ASSERT_TRUE(worker_.Start(DemoProgram("calculator.c")).ok());
  ASSERT_TRUE(worker_.Step({"sroa"}).ok());
  EXPECT_TRUE(WIFSIGNALED(worker_.WaitForEnd(SIGKILL)));
  EXPECT_EQ(ReadProgress(progress_file_).activity, WorkerFailure::NONE);
  EXPECT_EQ(worker_.Errors(), "");
}

TEST_F(WorkerProcessTest, AnotherProcessGoesOnFromASnapshot) {
  const std::string program = DemoProgram("calculator.c");
  WorkerSnapshot snapshot;
  EXPECT_EQ(worker_.Snapshot(&snapshot).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  ASSERT_TRUE(worker_.Start(program).ok());
  ASSERT_TRUE(worker_.Step({"sroa", "loop-rotate", "licm"}).ok());
  ASSERT_TRUE(worker_.Snapshot(&snapshot).ok());
  WorkerProcess other(scratch_.path() + "/other_progress");
  WorkerSnapshot cut = snapshot;
  cut.mutable_data()->resize(snapshot.data().size() / 2);
  EXPECT_EQ(other.Restore(program, cut).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  ASSERT_TRUE(other.Restore(program, snapshot).ok());
  EXPECT_EQ(other.Restore(program, snapshot).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(other.Fingerprint(), worker_.Fingerprint());
  for (const char* action : {"inline", "gvn", "simplifycfg"}) {
    ASSERT_TRUE(other.Step({action}).ok() && worker_.Step({action}).ok()) << action;
    EXPECT_EQ(other.Fingerprint(), worker_.Fingerprint()) << action;
  }
}

TEST(WorkerProcess, ServesWithoutItsProgressFile) {
  WorkerProcess worker("/no/such/directory/progress");
  EXPECT_TRUE(worker.Start(DemoProgram("calculator.c")).ok());
  EXPECT_TRUE(worker.Step({"sroa"}).ok());
  worker.WaitForEnd(SIGKILL);
  EXPECT_THAT(worker.Errors(), HasSubstr("--worker_progress_file: cannot make /no/such"));
}

}  // namespace
}  // namespace holdfast::llvm_session
