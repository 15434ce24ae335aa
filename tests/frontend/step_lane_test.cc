// Both ends of step lanes, over a real link: GrpcWorkerClient and StepLaneServer.
#include "frontend/step_lane.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/queue_work.h"
#include "common/unique_fd.h"
#include "frontend/grpc_worker_client.h"
#include "frontend/spawner/worker_link.h"
#include "proto/worker_control.grpc.pb.h"
#include "worker/step_lane_server.h"

namespace holdfast {
namespace {

constexpr int kMaxMessageBytes = 1 << 20;

grpc::ByteBuffer BufferOf(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  if (!buffer.Valid() || !buffer.DumpToSingleSlice(&slice).ok()) return "";
  return std::string(slice.begin(), slice.end());
}

// A worker of which there is only the lane. Steps run on a thread of its own.
class LaneWorker {
 public:
  LaneWorker(int link, StepLaneServer::Step step)
      : lanes_(
            [this](grpc::ServerContext* context, StepLaneServer::Stream* stream, void* tag) {
              service_.RequestStepLane(context, stream, queue_.get(), queue_.get(), tag);
            },
            std::move(step)) {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    grpc::AddInsecureChannelFromFd(server_.get(), link);
    lanes_.Serve(server_.get(), queue_.get());
    thread_ = std::thread([this] { ServeQueue(queue_.get()); });
  }
  ~LaneWorker() { End(); }

  // As when the process ends: the link breaks.
  void End() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    // The lane's last operation must be on its way before the queue is shut down.
    absl::Notification quiet;
    RunOnQueue(queue_.get(), [&quiet] { quiet.Notify(); });
    quiet.WaitForNotification();
    queue_->Shutdown();
    thread_.join();
    server_.reset();
  }

 private:
  WorkerControl::WithRawMethod_StepLane<WorkerControl::Service> service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  StepLaneServer lanes_;
  std::thread thread_;
};

class StepLaneTest : public testing::Test {
 protected:
  explicit StepLaneTest(bool use_lane = true) {
    auto link = MakeWorkerLink();
    EXPECT_TRUE(link.ok());
    link_ = UniqueFd(dup(link->first.get()));
    worker_ = std::make_unique<LaneWorker>(
        link->second.release(),
        [this](const grpc::ByteBuffer& request) { return step_(BytesOf(request)); });
    client_ = std::make_unique<GrpcWorkerClient>(std::move(link->first), kMaxMessageBytes, &queue_,
                                                 &gate_);
    if (use_lane) client_->UseStepLane();
    thread_ = std::thread([this] { ServeQueue(&queue_); });
  }
  ~StepLaneTest() override {
    client_.reset();
    worker_.reset();
    gate_.CloseAndWait();
    queue_.Shutdown();
    thread_.join();
  }

  // Echoes, and tells how often it was asked.
  StepLaneReplyView Echo(const std::string& request) {
    StepLaneReplyView view;
    view.answer.actions_applied = ++steps_;
    view.answer.clean = true;
    view.reply = BufferOf(request);
    return view;
  }

  WorkerReply Step(const std::string& request, absl::Time deadline = absl::InfiniteFuture()) {
    WorkerReply got;
    absl::Notification done;
    client_->Call(WorkerMethod::kStep, BufferOf(request), deadline, [&](WorkerReply reply) {
      got = std::move(reply);
      done.Notify();
    });
    done.WaitForNotification();
    return got;
  }

  std::function<StepLaneReplyView(const std::string&)> step_ = [this](const std::string& request) {
    return Echo(request);
  };
  int64_t steps_ = 0;
  UniqueFd link_;  // The front's end, to break it.
  std::unique_ptr<LaneWorker> worker_;
  grpc::CompletionQueue queue_;
  CallGate gate_;
  std::unique_ptr<GrpcWorkerClient> client_;
  std::thread thread_;
};

// Of a worker with a lane, whose calls of Step are UNIMPLEMENTED.
class WithoutLaneTest : public StepLaneTest {
 protected:
  WithoutLaneTest() : StepLaneTest(/*use_lane=*/false) {}
};

TEST_F(WithoutLaneTest, StepsAreCalls) {
  const WorkerReply reply = Step("1");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_FALSE(reply.answer.has_value());
}

TEST_F(StepLaneTest, CarriesSteps) {
  for (int i = 1; i <= 100; ++i) {
    const std::string request(i * 1000, static_cast<char>('a' + i % 26));
    const WorkerReply reply = Step(request, absl::Now() + absl::Minutes(4));
    ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
    EXPECT_EQ(BytesOf(reply.message), request);
    ASSERT_TRUE(reply.answer.has_value());
    EXPECT_EQ(reply.answer->actions_applied, i);
    EXPECT_TRUE(reply.answer->clean);
    EXPECT_FALSE(CallCounter::IsUnderWay(client_->call_counter().Get()));
  }
}

// More than the windows of HTTP/2 hold at first, which are 64 KiB.
TEST_F(StepLaneTest, CarriesLargeStepsFromTheFirstOn) {
  for (const int size : {1000000, 1, 500000, 70000, 300, 1000000}) {
    const WorkerReply reply = Step(std::string(size, 'x'), absl::Now() + absl::Seconds(30));
    ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
    EXPECT_EQ(reply.message.Length(), size);
  }
}

TEST_F(StepLaneTest, CarriesErrorsOfTheSession) {
  step_ = [](const std::string&) {
    StepLaneReplyView view;
    view.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "mine");
    view.answer.is_error = true;
    return view;
  };
  const WorkerReply reply = Step("1");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(reply.status.error_message(), "mine");
  ASSERT_TRUE(reply.answer.has_value());
  EXPECT_TRUE(reply.answer->is_error);
  step_ = [this](const std::string& request) { return Echo(request); };
  EXPECT_TRUE(Step("2").status.ok());
}

// What is asked for in the end of a step begins before the lane has told that it is free.
TEST_F(StepLaneTest, TheNextStepMayBeAskedForByTheLast) {
  constexpr int kSteps = 1000;
  int done = 0;
  absl::Notification all_done;
  std::function<void(WorkerReply)> next = [&](const WorkerReply& reply) {
    EXPECT_TRUE(reply.status.ok());
    if (++done == kSteps) {
      all_done.Notify();
      return;
    }
    client_->Call(WorkerMethod::kStep, BufferOf("x"), absl::Now() + absl::Minutes(1), next);
  };
  client_->Call(WorkerMethod::kStep, BufferOf("x"), absl::Now() + absl::Minutes(1), next);
  all_done.WaitForNotification();
}

TEST_F(StepLaneTest, ADeadlineEndsTheStepAndTheLane) {
  absl::Notification go_on;
  step_ = [&](const std::string& request) {
    if (request == "slow") go_on.WaitForNotification();
    return Echo(request);
  };
  // The alarm is set for this one first.
  EXPECT_TRUE(Step("quick", absl::Now() + absl::Hours(1)).status.ok());
  const absl::Time start = absl::Now();
  const WorkerReply reply = Step("slow", start + absl::Milliseconds(100));
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_FALSE(reply.answer.has_value());
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(100));
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(900)) << "the first alarm would be this late";
  go_on.Notify();
  // The reply that is still to come belongs to nobody.
  EXPECT_FALSE(Step("next").answer.has_value());
  worker_->End();  // It waits for what is about to go.
}

TEST_F(StepLaneTest, AnAlarmBeforeTheDeadlineEndsNothing) {
  EXPECT_TRUE(Step("1", absl::Now() + absl::Minutes(1)).status.ok());
  absl::Notification go_on;
  step_ = [&](const std::string& request) {
    go_on.WaitForNotificationWithTimeout(absl::Milliseconds(1500));  // The alarm rings meanwhile.
    return Echo(request);
  };
  EXPECT_TRUE(Step("2", absl::Now() + absl::Minutes(1)).status.ok());
}

TEST_F(StepLaneTest, TheEndOfTheWorkerEndsTheStep) {
  EXPECT_TRUE(Step("1").status.ok());
  absl::Notification is_stepping;
  absl::Notification go_on;
  step_ = [&](const std::string& request) {
    is_stepping.Notify();
    go_on.WaitForNotification();
    return Echo(request);
  };
  std::thread ending([&] {
    is_stepping.WaitForNotification();
    std::thread end([&] { worker_->End(); });
    go_on.Notify();
    end.join();
  });
  Step("2");  // Answered or not: it ends.
  ending.join();
  const WorkerReply reply = Step("3");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_FALSE(reply.answer.has_value());
}

TEST_F(StepLaneTest, ABrokenLinkEndsTheStepWithoutAnAnswer) {
  absl::Notification is_stepping;
  absl::Notification go_on;
  step_ = [&](const std::string& request) {
    is_stepping.Notify();
    go_on.WaitForNotification();
    return Echo(request);
  };
  std::thread breaking([&] {
    is_stepping.WaitForNotification();
    shutdown(link_.get(), SHUT_RDWR);
  });
  const WorkerReply reply = Step("1");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_FALSE(reply.answer.has_value());
  go_on.Notify();
  breaking.join();
  worker_->End();  // It waits for what is about to go.
}

TEST_F(StepLaneTest, AReplyMayBeAsLargeAsTheLimitAndNoLarger) {
  size_t size = kMaxMessageBytes;
  step_ = [&](const std::string&) { return Echo(std::string(size, 'x')); };
  EXPECT_EQ(Step("1").message.Length(), size);
  ++size;
  const WorkerReply reply = Step("2");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_FALSE(reply.answer.has_value());
}

TEST_F(StepLaneTest, AReplyFarAboveTheLimitIsToldApart) {
  step_ = [this](const std::string&) { return Echo(std::string(2 * kMaxMessageBytes, 'x')); };
  const WorkerReply reply = Step("1");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_FALSE(reply.answer.has_value());
}

TEST_F(StepLaneTest, ANumberOutOfRangeIsNoAnswer) {
  step_ = [this](const std::string& request) {
    StepLaneReplyView view = Echo(request);
    view.answer.actions_applied = -1;
    return view;
  };
  const WorkerReply reply = Step("1");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_FALSE(reply.answer.has_value());
}

TEST_F(StepLaneTest, OneThatIsClosedEndsItsStep) {
  absl::Notification is_stepping;
  absl::Notification go_on;
  step_ = [&](const std::string& request) {
    is_stepping.Notify();
    go_on.WaitForNotification();
    return Echo(request);
  };
  absl::Notification done;
  client_->Call(WorkerMethod::kStep, BufferOf("1"), absl::Now() + absl::Minutes(4),
                [&](const WorkerReply& reply) {
                  EXPECT_TRUE(reply.status.ok());
                  done.Notify();
                });
  is_stepping.WaitForNotification();
  client_.reset();
  go_on.Notify();
  done.WaitForNotification();
}

}  // namespace
}  // namespace holdfast
