// What goes over the wire stays small, well-formed and within its budgets, whatever sessions,
// workers and clients send; and what goes wrong in one call harms no other on the same connection.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/misbehaving_service.h"

namespace holdfast {
namespace {

using grpc::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

constexpr size_t kMaxStatusBytes = 4096;
constexpr int64_t kMiB = int64_t{1} << 20;

// A channel as a client has it that sets nothing. All of one service share a connection.
std::shared_ptr<grpc::Channel> DefaultChannel(const ServiceProcess& service) {
  return grpc::CreateChannel(service.address(), grpc::InsecureChannelCredentials());
}

compiler_gym::StepRequest StepRequestOf(TestSession* session, const Names& actions) {
  compiler_gym::StepRequest request;
  request.set_session_id(session->id());
  for (const std::string& name : actions) {
    request.add_action()->set_int64_value(ActionIndex(session, name));
  }
  return request;
}

// What a client receives at the end of a failed call: its status, and all trailers.
struct Ending {
  grpc::Status status;
  size_t encoded_bytes = 0;
};

Ending StepOn(const std::shared_ptr<grpc::Channel>& channel,
              const compiler_gym::StepRequest& request) {
  const auto stub = compiler_gym::CompilerGymService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  compiler_gym::StepReply reply;
  Ending ending;
  ending.status = stub->Step(&context, request, &reply);
  ending.encoded_bytes = EncodedSize(ending.status);
  for (const auto& trailer : context.GetServerTrailingMetadata()) {
    if (trailer.first == "grpc-status-details-bin") continue;  // In the status already.
    ending.encoded_bytes += trailer.first.size() + trailer.second.size();
  }
  return ending;
}

// Sends `bytes` as they are, as the request of a method.
grpc::Status CallRaw(const ServiceProcess& service, const std::string& method,
                     const std::string& bytes) {
  grpc::GenericStub stub(DefaultChannel(service));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  const grpc::Slice slice(bytes);
  grpc::CompletionQueue queue;
  auto call =
      stub.PrepareUnaryCall(&context, absl::StrCat("/compiler_gym.CompilerGymService/", method),
                            grpc::ByteBuffer(&slice, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer reply;
  grpc::Status status;
  call->Finish(&reply, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  EXPECT_TRUE(queue.Next(&tag, &ok));
  return status;
}

// As protobuf judges the strings of a message.
bool IsUtf8(const std::string& text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i++]);
    if (byte < 0x80) continue;
    int more = 0;
    if (byte >= 0xC2 && byte < 0xE0) more = 1;
    if (byte >= 0xE0 && byte < 0xF0) more = 2;
    if (byte >= 0xF0 && byte < 0xF5) more = 3;
    if (more == 0) return false;
    for (; more > 0; --more, ++i) {
      if (i >= text.size() || (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return false;
    }
  }
  return true;
}

// ---- Statuses ----

TEST(WireDisciplineTest, FloodOfNewlinesBeforeADeathHarmsNobodyOnTheSameConnection) {
  MisbehavingService service;
  const Marker marker = service.NewMarker();
  TestSession other = service.NewSession(marker);
  TestSession session = service.NewSession();
  const auto channel = DefaultChannel(service);
  auto step = std::async(std::launch::async, [channel, request = StepRequestOf(&other, {"wait"})] {
    return StepOn(channel, request);
  });
  ASSERT_TRUE(marker.AwaitWaiting());
  const Ending ending = StepOn(channel, StepRequestOf(&session, {"stderr_flood"}));
  EXPECT_EQ(ending.status.error_code(), StatusCode::ABORTED);
  EXPECT_THAT(ending.status.error_message(), HasSubstr("stderr_flood"));
  EXPECT_LE(ending.encoded_bytes, kMaxStatusBytes);
  marker.Go();
  const grpc::Status undisturbed = step.get().status;
  EXPECT_TRUE(undisturbed.ok()) << undisturbed.error_message();
  EXPECT_EQ(marker.waiting(), 1);
  EXPECT_EQ(channel->GetState(false), GRPC_CHANNEL_READY);
  ExpectState(&other, "wait = 1");
  ExpectState(&session, " = 0");
}

TEST(WireDisciplineTest, GarbageOnStderrLeavesTheDetailsReadable) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  Names actions(200, "noop");  // Much to tell, too.
  actions.insert(actions.begin(), "stderr_garbage");
  const Ending ending = StepOn(DefaultChannel(service), StepRequestOf(&session, actions));
  EXPECT_EQ(ending.status.error_code(), StatusCode::ABORTED);
  EXPECT_LE(ending.encoded_bytes, kMaxStatusBytes);
  EXPECT_TRUE(IsUtf8(ending.status.error_message()));
  const absl::optional<WorkerFailure> failure = FailureOf(ending.status);
  ASSERT_TRUE(failure.has_value());
  EXPECT_GT(failure->stderr_tail().size(), 100u);
  EXPECT_LE(failure->stderr_tail().size(), 1024u);
  EXPECT_TRUE(IsUtf8(failure->stderr_tail()));
  StatusDetails details;
  ASSERT_TRUE(details.ParseFromString(ending.status.error_details()));
  EXPECT_TRUE(IsUtf8(details.message()));
}

TEST(WireDisciplineTest, HugeMessageOfASessionIsCut) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  for (const char* action : {"fail_with_huge_message", "throw_huge_message"}) {
    const Ending ending = StepOn(DefaultChannel(service), StepRequestOf(&session, {action}));
    EXPECT_EQ(ending.status.error_code(), StatusCode::INTERNAL) << action;
    EXPECT_LE(ending.encoded_bytes, kMaxStatusBytes) << action;
    EXPECT_THAT(ending.status.error_message(), HasSubstr("[cut]")) << action;
  }
  ExpectState(&session, " = 0");
}

TEST(WireDisciplineTest, HugeTextsOfAClientAreCutInTheAnswer) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  const std::string huge(100'000, '%');
  const grpc::Status key = session.SendParameter(huge, "");
  EXPECT_EQ(key.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_LE(EncodedSize(key), kMaxStatusBytes);
  int64_t id = 0;
  const grpc::Status uri = StartSession(&session.stub(), huge, 0, &id);
  EXPECT_EQ(uri.error_code(), StatusCode::NOT_FOUND);
  EXPECT_LE(EncodedSize(uri), kMaxStatusBytes);
  const grpc::Status benchmark = AddBenchmark(&session.stub(), huge, "ok");
  EXPECT_EQ(benchmark.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_LE(EncodedSize(benchmark), kMaxStatusBytes);
  const std::string longest(4096, '%');  // Thrice as long when it is encoded.
  ASSERT_TRUE(AddBenchmark(&session.stub(), longest, "crash-in-init").ok());
  const grpc::Status init = StartSession(&session.stub(), longest, 0, &id);
  EXPECT_EQ(init.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_LE(EncodedSize(init), kMaxStatusBytes);
  ExpectState(&session, " = 0");
}

// ---- Message sizes ----

TEST(WireDisciplineTest, ReplyBeyondTheLimitIsRefusedAndTheStepIsRolledBack) {
  MisbehavingService service({absl::StrCat("--max_message_bytes=", kMiB)});
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const grpc::Status status = StepBy(&session, {"add_one"}, {"huge_bytes"});
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("--max_message_bytes"));
  ExpectState(&session, "add_one = 1");
  compiler_gym::StartSessionRequest request;
  request.mutable_benchmark()->set_uri("benchmark://test/ok");
  request.add_observation_space(ObservationIndex(&session, "huge_bytes"));
  compiler_gym::StartSessionReply reply;
  grpc::ClientContext context;
  const grpc::Status started = session.stub().StartSession(&context, request, &reply);
  EXPECT_EQ(started.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(started.error_message(), HasSubstr("--max_message_bytes"));
  EXPECT_EQ(service.CountSessions(), 1);
}

TEST(WireDisciplineTest, LargeReplyWithinTheLimitArrives) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  EXPECT_EQ(session.Observe(ObservationIndex(&session, "huge_bytes")).string_value().size(),
            static_cast<size_t>(8 * kMiB));
}

TEST(WireDisciplineTest, RequestBeyondTheLimitIsRefusedAndHarmsNobody) {
  MisbehavingService service({absl::StrCat("--max_message_bytes=", kMiB)});
  const Marker marker = service.NewMarker();
  TestSession other = service.NewSession(marker);
  const auto channel = DefaultChannel(service);
  auto step = std::async(std::launch::async, [channel, request = StepRequestOf(&other, {"wait"})] {
    return StepOn(channel, request);
  });
  ASSERT_TRUE(marker.AwaitWaiting());
  const auto stub = compiler_gym::CompilerGymService::NewStub(channel);
  const grpc::Status status =
      AddBenchmark(stub.get(), "benchmark://test/large", std::string(2 * kMiB, 'x'));
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  marker.Go();
  EXPECT_TRUE(step.get().status.ok());
  EXPECT_TRUE(AddBenchmark(stub.get(), "benchmark://test/ok", std::string(kMiB / 2, 'x')).ok());
}

// ---- Malformed requests ----

TEST(WireDisciplineTest, MalformedRequestOfAnyMethodIsAnInvalidArgument) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  ASSERT_TRUE(StepBy(&session, {"add_one"}).ok());
  const pid_t worker = WorkerOf(&session);
  const std::string kMalformed[] = {
      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",  // No tag ends.
      std::string("\x0a\x7f", 2),                      // A field longer than the message.
      std::string("\x00\x01", 2),                      // There is no field 0.
      "\x0f",                                          // Nor a wire type 7.
      "\x08",                                          // Its value is missing.
  };
  for (const char* method : {"GetVersion", "GetSpaces", "StartSession", "ForkSession", "EndSession",
                             "Step", "AddBenchmark", "SendSessionParameter"}) {
    for (const std::string& bytes : kMalformed) {
      const grpc::Status status = CallRaw(service, method, bytes);
      EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT)
          << method << " with " << testing::PrintToString(bytes) << ": " << status.error_message();
    }
  }
  EXPECT_EQ(WorkerOf(&session), worker);
  ExpectState(&session, "add_one = 1");
}

TEST(WireDisciplineTest, MalformedActionWithinAGoodStepIsAnInvalidArgument) {
  MisbehavingService service;
  TestSession session = service.NewSession();
  const pid_t worker = WorkerOf(&session);
  const std::string good = StepRequestOf(&session, {"add_one"}).SerializeAsString();
  for (const std::string& action : {std::string("\xff"), std::string("\x28"),
                                    std::string("\x12\x05\x0a"), std::string("\x42\x01\xff", 3)}) {
    const std::string bytes =
        absl::StrCat(good, "\x12", std::string(1, static_cast<char>(action.size())), action);
    const grpc::Status status = CallRaw(service, "Step", bytes);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT)
        << testing::PrintToString(action) << ": " << status.error_message();
  }
  EXPECT_EQ(WorkerOf(&session), worker);
  ExpectState(&session, " = 0");
}

// ---- Budgets ----

TEST(WireDisciplineTest, RequestsUnderWayHaveABudget) {
  MisbehavingService service({"--max_inflight_bytes=8192"});
  const Marker marker = service.NewMarker();
  TestSession session = service.NewSession(marker);
  TestSession other = service.NewSession();
  Names many(1500, "noop");  // 6 KB.
  many.push_back("wait");
  auto step = StepLater(&session, many);
  ASSERT_TRUE(marker.AwaitWaiting());
  const grpc::Status refused = StepBy(&other, Names(1500, "noop"));
  EXPECT_EQ(refused.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), HasSubstr("--max_inflight_bytes"));
  EXPECT_TRUE(StepBy(&other, {"add_one"}).ok()) << "a small one fits beside it";
  marker.Go();
  EXPECT_TRUE(step.get().ok());
  // The first call's bytes are given back when it is quite over, just after its answer.
  EXPECT_TRUE(WaitUntil([&] { return StepBy(&other, Names(1500, "noop")).ok(); }));
}

TEST(WireDisciplineTest, BenchmarksAndHistoriesHaveABudget) {
  MisbehavingService service({absl::StrCat("--max_record_bytes=", kMiB)});
  const auto expect_refused = [](const grpc::Status& status) {
    EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_THAT(status.error_message(), HasSubstr("--max_record_bytes"));
  };
  const auto large = [](char what) { return "ok:/" + std::string(700 << 10, what); };
  TestSession session = service.NewSession();
  expect_refused(AddBenchmark(&session.stub(), "benchmark://test/huge", std::string(kMiB, 'x')));
  // What is only cached gives way; what a session uses does not.
  ASSERT_TRUE(AddBenchmark(&session.stub(), "benchmark://test/a", large('a')).ok());
  ASSERT_TRUE(AddBenchmark(&session.stub(), "benchmark://test/b", large('b')).ok());
  int64_t user = 0;
  EXPECT_EQ(StartSession(&session.stub(), "benchmark://test/a", 0, &user).error_code(),
            StatusCode::NOT_FOUND);
  ASSERT_TRUE(StartSession(&session.stub(), "benchmark://test/b", 0, &user).ok());
  expect_refused(AddBenchmark(&session.stub(), "benchmark://test/a", large('a')));
  EXPECT_TRUE(StepBy(&session, {"add_one"}).ok()) << "nobody else suffers";
  TestSession(service, user).End();
  EXPECT_TRUE(WaitUntil(
      [&] { return AddBenchmark(&session.stub(), "benchmark://test/a", large('a')).ok(); }));
  ExpectState(&session, "add_one = 1");
}

}  // namespace
}  // namespace holdfast
