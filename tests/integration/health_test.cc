// What probes are told by a real service: grpc.health.v1 on the public port, /readyz and /healthz
// on the metrics port.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <future>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/health.grpc.pb.h"
#include "tests/frontend/http/http_test_client.h"
#include "tests/integration/misbehaving_service.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using testing::HasSubstr;
using testing::StartsWith;

constexpr char kPublicService[] = "compiler_gym.CompilerGymService";
constexpr absl::Duration kPatience = absl::Seconds(60);

std::shared_ptr<grpc::Channel> ChannelTo(const ServiceProcess& service) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(service.address(), grpc::InsecureChannelCredentials(),
                                   arguments);
}

// A name of the status, or of the error: "SERVING", "5".
std::string Check(const std::shared_ptr<grpc::Channel>& channel, const std::string& name) {
  HealthCheckRequest request;
  request.set_service(name);
  HealthCheckResponse response;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const grpc::Status status = Health::NewStub(channel)->Check(&context, request, &response);
  return status.ok() ? HealthCheckResponse::ServingStatus_Name(response.status())
                     : absl::StrCat(status.error_code());
}

class Watcher {
 public:
  explicit Watcher(const std::shared_ptr<grpc::Channel>& channel, const std::string& name = "")
      : stub_(Health::NewStub(channel)) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    HealthCheckRequest request;
    request.set_service(name);
    reader_ = stub_->Watch(&context_, request);
  }
  // "end": there is none.
  std::string Next() {
    HealthCheckResponse response;
    return reader_->Read(&response) ? HealthCheckResponse::ServingStatus_Name(response.status())
                                    : "end";
  }
  void Cancel() { context_.TryCancel(); }
  // After its end.
  grpc::StatusCode Code() { return reader_->Finish().error_code(); }

 private:
  std::unique_ptr<Health::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> reader_;
};

HttpAnswer Ask(const ServiceProcess& service, const std::string& target) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(service.ReadFile("metrics_port.txt"), &port));
  return HttpGet(port, target);
}

bool AwaitStatus(const ServiceProcess& service, const std::string& target, int status) {
  return WaitUntil([&] { return Ask(service, target).status == status; }, kPatience);
}

void KillWorkers(const ServiceProcess& service) {
  for (const pid_t worker : service.workers()) kill(worker, SIGKILL);
}

// A service whose worker is a copy that a test may spoil.
class SpoiltWorkerTest : public testing::Test {
 protected:
  SpoiltWorkerTest() {
    std::filesystem::copy_file(RunfilePath("worker/example/example_worker"), worker_);
    EXPECT_EQ(chmod(worker_.c_str(), 0755), 0);
  }

  const TemporaryDirectory directory_;
  const std::string worker_ = directory_ / "worker";
};

TEST_F(SpoiltWorkerTest, ServiceIsReadyAsLongAsWorkersCanBeStarted) {
  ServiceProcess service("frontend/holdfast", {"--worker=" + worker_});
  const auto channel = ChannelTo(service);
  ASSERT_TRUE(AwaitStatus(service, "/readyz", 200));
  EXPECT_EQ(Ask(service, "/readyz").body, "ready\n");
  Watcher watcher(channel, kPublicService);
  EXPECT_EQ(watcher.Next(), "SERVING");
  EXPECT_EQ(Check(channel, ""), "SERVING");
  EXPECT_EQ(Check(channel, kPublicService), "SERVING");

  // The idle workers die, and no others can be executed.
  ASSERT_EQ(chmod(worker_.c_str(), 0600), 0);
  absl::Time start = absl::Now();
  KillWorkers(service);
  ASSERT_TRUE(AwaitStatus(service, "/readyz", 503));
  const absl::Duration until_not_ready = absl::Now() - start;
  EXPECT_LT(until_not_ready, absl::Seconds(2));
  EXPECT_THAT(Ask(service, "/readyz").body, StartsWith("not_ready: workers cannot be started: "));
  EXPECT_EQ(watcher.Next(), "NOT_SERVING");
  EXPECT_EQ(Check(channel, ""), "NOT_SERVING");
  EXPECT_EQ(Check(channel, kPublicService), "NOT_SERVING");
  EXPECT_EQ(service.Metric("holdfast_ready"), 0);
  // It need not be started anew for that, and is not draining.
  EXPECT_EQ(Ask(service, "/healthz").body, "ok\n");
  EXPECT_EQ(Ask(service, "/readyz?draining=404").status, 503);

  ASSERT_EQ(chmod(worker_.c_str(), 0755), 0);
  start = absl::Now();
  ASSERT_TRUE(AwaitStatus(service, "/readyz", 200));
  const absl::Duration until_ready = absl::Now() - start;
  EXPECT_EQ(watcher.Next(), "SERVING");
  EXPECT_EQ(Check(channel, ""), "SERVING");
  TestSession session(service, "benchmark://health-test/program", "+");
  EXPECT_TRUE(session.Step({0}).ok());
  session.End();
  std::cout << "/readyz said 503 " << until_not_ready << " after the worker was spoilt, 200 "
            << until_ready << " after it was repaired" << std::endl;

  EXPECT_EQ(service.Terminate(), 0);
  EXPECT_EQ(watcher.Next(), "NOT_SERVING");
  EXPECT_EQ(watcher.Next(), "end");
  EXPECT_EQ(watcher.Code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(HealthTest, ServiceIsStartingUntilAWorkerHasAnswered) {
  const TemporaryDirectory directory;
  MisbehavingService service(
      {absl::StrCat("--worker_flags=--start_mode=hang,--start_marker=", directory / "marker")});
  EXPECT_EQ(Ask(service, "/readyz").body, "starting: no worker has answered yet\n");
  EXPECT_EQ(Ask(service, "/healthz").body, "ok\n");
  const auto channel = ChannelTo(service);
  EXPECT_EQ(Check(channel, ""), "NOT_SERVING");
  Watcher watcher(channel);
  EXPECT_EQ(watcher.Next(), "NOT_SERVING");
  // The next one does not hang. A first one that has not come to its hanging counts, too.
  ASSERT_TRUE(WaitUntil([&] { return !Slurp(directory / "marker").empty(); }));
  KillWorkers(service);
  EXPECT_EQ(watcher.Next(), "SERVING");
  EXPECT_EQ(Ask(service, "/readyz").status, 200);
}

TEST(HealthTest, UnknownServicesAndMalformedRequests) {
  MisbehavingService service;
  const auto channel = ChannelTo(service);
  EXPECT_EQ(Check(channel, "CompilerGymService"), absl::StrCat(grpc::StatusCode::NOT_FOUND));
  Watcher watcher(channel, "no.such.Service");
  EXPECT_EQ(watcher.Next(), "SERVICE_UNKNOWN");
  for (const char* method : {"Check", "Watch"}) {
    grpc::GenericStub stub(channel);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    const grpc::Slice slice("\xff\xff");
    grpc::CompletionQueue queue;
    auto call = stub.PrepareUnaryCall(&context, absl::StrCat("/grpc.health.v1.Health/", method),
                                      grpc::ByteBuffer(&slice, 1), &queue);
    call->StartCall();
    grpc::ByteBuffer reply;
    grpc::Status status;
    call->Finish(&reply, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
    EXPECT_THAT(status.error_message(), HasSubstr("HealthCheckRequest"));
  }
  // A watch goes on until the client ends it, and is not in the way of the service's end.
  EXPECT_EQ(service.Terminate(), 0);
  EXPECT_EQ(watcher.Next(), "end");
  EXPECT_EQ(watcher.Code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(HealthTest, DrainingServiceIsNotReadyAndServesAllTheSame) {
  MisbehavingService service({"--session_drain_timeout=60s"});
  const auto channel = ChannelTo(service);
  TestSession session = service.NewSession();
  Watcher watcher(channel);
  EXPECT_EQ(watcher.Next(), "SERVING");
  service.Signal(SIGTERM);
  EXPECT_EQ(watcher.Next(), "NOT_SERVING");
  EXPECT_EQ(Check(channel, kPublicService), "NOT_SERVING");
  EXPECT_EQ(Ask(service, "/readyz").status, 503);
  EXPECT_THAT(Ask(service, "/readyz").body, StartsWith("draining: "));
  EXPECT_EQ(Ask(service, "/readyz?draining=404").status, 404);
  EXPECT_EQ(service.Metric("holdfast_draining"), 1);
  EXPECT_EQ(Ask(service, "/healthz").status, 200);
  EXPECT_TRUE(StepBy(&session, {"add_one"}).ok());
  service.NewSession().End();
  session.End();
  // The last session has gone, so it ends long before the 60 s.
  EXPECT_EQ(service.Wait(absl::Seconds(30)), 0);
  EXPECT_EQ(watcher.Next(), "end");
  EXPECT_EQ(watcher.Code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(HealthTest, ProbesAreAnsweredWhileCallsAreRefused) {
  MisbehavingService service({"--drain_timeout=60s"});
  const auto channel = ChannelTo(service);
  const Marker marker = service.NewMarker();
  TestSession session = service.NewSession(marker);
  std::future<grpc::Status> step = StepLater(&session, {"wait"});
  ASSERT_TRUE(marker.AwaitWaiting());
  service.Signal(SIGTERM);
  ASSERT_TRUE(WaitUntil([&] {
    return GetSpaces(service.NewClient().get()).error_code() == grpc::StatusCode::UNAVAILABLE;
  }));
  EXPECT_EQ(Check(channel, ""), "NOT_SERVING");
  Watcher watcher(channel);
  EXPECT_EQ(watcher.Next(), "NOT_SERVING");
  EXPECT_EQ(Ask(service, "/readyz").status, 503);
  EXPECT_EQ(Ask(service, "/healthz").status, 200);
  marker.Go();
  EXPECT_TRUE(step.get().ok());
  EXPECT_EQ(service.Wait(), 0);
}

TEST(HealthTest, WatchersDelayTheEndOfNothing) {
  MisbehavingService service({"--drain_timeout=60s"});
  ASSERT_TRUE(AwaitStatus(service, "/readyz", 200));
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < 4; ++i) {
    const auto channel = ChannelTo(service);
    for (int j = 0; j < 8; ++j) watchers.push_back(std::make_unique<Watcher>(channel));
  }
  for (const auto& watcher : watchers) EXPECT_EQ(watcher->Next(), "SERVING");
  // Some go, some stay.
  for (size_t i = 0; i < watchers.size(); i += 2) {
    watchers[i]->Cancel();
    EXPECT_EQ(watchers[i]->Next(), "end");
    EXPECT_EQ(watchers[i]->Code(), grpc::StatusCode::CANCELLED);
  }
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(absl::Seconds(20)), 0);
  for (size_t i = 1; i < watchers.size(); i += 2) {
    EXPECT_EQ(watchers[i]->Next(), "NOT_SERVING");
    EXPECT_EQ(watchers[i]->Next(), "end");
    EXPECT_EQ(watchers[i]->Code(), grpc::StatusCode::UNAVAILABLE);
  }
}

TEST(HealthTest, ThereMayBeSoManyWatches) {
  constexpr int kMaxWatches = 10000;
  MisbehavingService service;
  const auto channel = ChannelTo(service);
  ASSERT_TRUE(AwaitStatus(service, "/readyz", 200));
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < kMaxWatches; ++i) {
    watchers.push_back(std::make_unique<Watcher>(channel));
    ASSERT_EQ(watchers.back()->Next(), "SERVING") << i;
  }
  Watcher refused(channel);
  EXPECT_EQ(refused.Next(), "end");
  EXPECT_EQ(refused.Code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Check(channel, ""), "SERVING");
  watchers.back()->Cancel();
  EXPECT_EQ(watchers.back()->Next(), "end");
  EXPECT_TRUE(WaitUntil([&] { return Watcher(channel).Next() == "SERVING"; }));
  EXPECT_EQ(service.Terminate(), 0);
}

TEST(HealthTest, PagesOfTheMetricsPort) {
  MisbehavingService service;
  ASSERT_TRUE(AwaitStatus(service, "/readyz", 200));
  const HttpAnswer metrics = Ask(service, "/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_EQ(metrics.Header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  const HttpAnswer list = Ask(service, "/");
  for (const char* path : {"/metrics", "/healthz", "/readyz", "/statusz", "/statusz.json"}) {
    EXPECT_THAT(list.body, HasSubstr(path));
    EXPECT_EQ(Ask(service, path).status, 200) << path;
  }
}

TEST(HealthTest, TheStatusPageCanBeLeftOut) {
  MisbehavingService service({"--nostatus_page"});
  for (const char* path : {"/statusz", "/statusz.json"}) EXPECT_EQ(Ask(service, path).status, 404);
  EXPECT_THAT(Ask(service, "/").body, testing::Not(HasSubstr("statusz")));
  EXPECT_EQ(Ask(service, "/healthz").status, 200);
}

TEST(HealthTest, AFrontThatStandsStillIsNotReady) {
  MisbehavingService service;
  const auto channel = ChannelTo(service);
  ASSERT_TRUE(AwaitStatus(service, "/readyz", 200));
  EXPECT_EQ(Check(channel, ""), "SERVING");
  // Its main thread is the supervision thread.
  ASSERT_EQ(ptrace(PTRACE_SEIZE, service.pid(), nullptr, nullptr), 0);
  ASSERT_EQ(ptrace(PTRACE_INTERRUPT, service.pid(), nullptr, nullptr), 0);
  ASSERT_EQ(waitpid(service.pid(), nullptr, __WALL), service.pid());
  EXPECT_TRUE(AwaitStatus(service, "/readyz", 503));
  EXPECT_THAT(Ask(service, "/readyz").body, StartsWith("stuck: "));
  EXPECT_EQ(Ask(service, "/readyz?draining=404").status, 503);
  EXPECT_EQ(Ask(service, "/healthz").status, 503);
  EXPECT_EQ(Check(channel, ""), "NOT_SERVING");
  // Nobody would tell it when that is over.
  EXPECT_EQ(Watcher(channel).Next(), "SERVING");
  EXPECT_EQ(service.Metric("holdfast_ready"), 0);
  EXPECT_THAT(Ask(service, "/statusz.json").body, HasSubstr("\"reason\": \"stuck: "));
  ASSERT_EQ(ptrace(PTRACE_DETACH, service.pid(), nullptr, nullptr), 0);
  EXPECT_TRUE(AwaitStatus(service, "/readyz", 200));
  EXPECT_EQ(Check(channel, ""), "SERVING");
  EXPECT_EQ(service.Terminate(), 0);
}

}  // namespace
}  // namespace holdfast
