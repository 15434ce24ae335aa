// How many sessions there may be, and whose turn it is when workers are few.
#include <gmock/gmock.h>
#include <grpcpp/completion_queue.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/misbehaving_service.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

constexpr char kInflight[] = "holdfast_inflight_bytes";
constexpr char kWaiting[] = "holdfast_worker_requests_waiting";

grpc::Status TryFork(TestSession* session) {
  compiler_gym::ForkSessionRequest request;
  request.set_session_id(session->id());
  compiler_gym::ForkSessionReply reply;
  grpc::ClientContext context;
  return session->stub().ForkSession(&context, request, &reply);
}

void ExpectRefused(const grpc::Status& status) {
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("--max_sessions"));
}

TEST(MaxSessionsTest, StartsAndForksAreRefusedUntilASessionEnds) {
  MisbehavingService service({"--max_sessions=3"});
  TestSession first = service.NewSession();
  TestSession second = service.NewSession();
  TestSession fork = first.Fork();
  ExpectRefused(service.TryStart("ok"));
  ExpectRefused(TryFork(&first));
  EXPECT_EQ(second.End(), 2);
  EXPECT_TRUE(TryFork(&first).ok());
  ExpectRefused(service.TryStart("ok"));
  EXPECT_EQ(fork.End(), 2);
  EXPECT_TRUE(service.TryStart("ok").ok());
  ExpectRefused(service.TryStart("ok"));
  EXPECT_EQ(service.CountSessions(), 3);
}

TEST(MaxSessionsTest, FailuresTakeNoPlaces) {
  MisbehavingService service({"--max_sessions=2"});
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(service.TryStart("fail-in-init").error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(service.TryStart("crash-in-init").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  const Marker marker = service.NewMarker();
  TestSession session = service.NewSession(marker);
  // A fork whose turn never comes.
  std::future<grpc::Status> step = StepLater(&session, {"wait"});
  ASSERT_TRUE(marker.AwaitWaiting());
  const absl::optional<double> inflight = service.Metric(kInflight);
  std::future<grpc::Status> fork =
      std::async(std::launch::async, [&] { return TryFork(&session); });
  TestSession same(service, session.id());
  ASSERT_TRUE(WaitUntil([&] { return service.Metric(kInflight) > inflight; }));
  ExpectRefused(service.TryStart("ok"));
  EXPECT_EQ(same.End(), 0);
  EXPECT_FALSE(step.get().ok());
  EXPECT_EQ(fork.get().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(service.TryStart("ok").ok());
  EXPECT_TRUE(service.TryStart("ok").ok());
}

TEST(MaxSessionsTest, HoldsForThoseThatStartAtOnce) {
  constexpr int kSessions = 4;
  constexpr int kClients = 10;
  MisbehavingService service({absl::StrCat("--max_sessions=", kSessions)});
  const Marker marker = service.NewMarker();
  std::vector<std::future<grpc::Status>> starts;
  for (int i = 0; i < kClients; ++i) {
    starts.push_back(std::async(std::launch::async,
                                [&] { return service.TryStart("wait-in-init:" + marker.path()); }));
  }
  // None of them has started yet.
  ASSERT_TRUE(marker.AwaitWaiting(kSessions));
  ExpectRefused(service.TryStart("ok"));
  marker.Go();
  int started = 0;
  for (auto& start : starts) {
    const grpc::Status status = start.get();
    if (status.ok()) {
      ++started;
    } else {
      ExpectRefused(status);
    }
  }
  EXPECT_EQ(started, kSessions);
  EXPECT_EQ(service.CountSessions(), kSessions);
}

// Starts many sessions at once, on one connection; each waits in Init for its own marker.
class Flood {
 public:
  Flood(MisbehavingService* service, int starts) : client_(service->NewClient()) {
    for (int i = 0; i < starts; ++i) {
      markers_.push_back(service->NewMarker());
      const std::string program = "wait-in-init:" + markers_[i].path();
      compiler_gym::StartSessionRequest request;
      request.mutable_benchmark()->set_uri(absl::StrCat("benchmark://flood/", i));
      request.mutable_benchmark()->mutable_program()->set_contents(program);
      Call& call = *calls_.emplace_back(std::make_unique<Call>());
      call.reader = client_->AsyncStartSession(&call.context, request, &queue_);
      call.reader->Finish(&call.reply, &call.status, nullptr);
    }
    // Without it nobody would send what is queued.
    receiver_ = std::thread([this] {
      void* tag = nullptr;
      bool ok = false;
      for (size_t i = 0; i < calls_.size(); ++i) queue_.Next(&tag, &ok);
    });
  }
  ~Flood() {
    for (auto& call : calls_) call->context.TryCancel();
    receiver_.join();
  }

  // Those that have a worker, or had.
  int begun() const {
    int count = 0;
    for (const Marker& marker : markers_) count += marker.waiting();
    return count;
  }
  // Lets those end.
  void Go() {
    for (const Marker& marker : markers_) {
      if (marker.waiting() > 0) marker.Go();
    }
  }

 private:
  struct Call {
    grpc::ClientContext context;
    compiler_gym::StartSessionReply reply;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<compiler_gym::StartSessionReply>> reader;
  };

  const std::unique_ptr<compiler_gym::CompilerGymService::Stub> client_;
  grpc::CompletionQueue queue_;
  std::vector<Marker> markers_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::thread receiver_;
};

TEST(FairnessTest, ClientWithManyRequestsDoesNotStarveAnother) {
  constexpr int kStarts = 50;
  constexpr int kWorkers = 2;
  MisbehavingService service({absl::StrCat("--max_workers=", kWorkers), "--park_after=0"});
  const auto client = service.NewClient();
  ASSERT_TRUE(AddBenchmark(client.get(), "benchmark://test/ok", "ok").ok());
  Flood flood(&service, kStarts);
  ASSERT_TRUE(WaitUntil(
      [&] { return flood.begun() == kWorkers && service.Metric(kWaiting) == kStarts - kWorkers; }));
  int64_t id = 0;
  std::future<grpc::Status> start = std::async(std::launch::async, [&] {
    return StartSession(client.get(), "benchmark://test/ok", 0, &id);
  });
  ASSERT_TRUE(WaitUntil([&] { return service.Metric(kWaiting) == kStarts - kWorkers + 1; }));
  flood.Go();
  // Its turn is behind one other of the flood, which keeps its worker for the time being.
  const grpc::Status status = start.get();
  EXPECT_TRUE(status.ok()) << status.error_message();
  // And then the flood has another.
  EXPECT_LE(flood.begun(), kWorkers + 2);
}

}  // namespace
}  // namespace holdfast
