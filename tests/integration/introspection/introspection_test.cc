// What tools learn of gRPC itself: reflection on the public port, channelz on the admin socket, and
// neither from a worker.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "tests/integration/introspection/channelz.grpc.pb.h"
#include "tests/integration/introspection/reflection.grpc.pb.h"
#include "tests/integration/running_program.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

using grpc::channelz::v1::Channelz;
using grpc::channelz::v1::GetServersResponse;
using grpc::reflection::v1alpha::ServerReflection;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;
using testing::UnorderedElementsAre;

constexpr char kSdkBinary[] = "worker/example/example_worker";
constexpr char kPublicService[] = "compiler_gym.CompilerGymService";

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
  return grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
}

void SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
}

grpc::Status Reflect(const std::string& address, const ServerReflectionRequest& request,
                     ServerReflectionResponse* response) {
  const auto stub = ServerReflection::NewStub(ChannelTo(address));
  grpc::ClientContext context;
  SetDeadline(&context);
  const auto stream = stub->ServerReflectionInfo(&context);
  stream->Write(request);
  stream->WritesDone();
  stream->Read(response);
  return stream->Finish();
}

grpc::Status GetServers(const std::string& address, GetServersResponse* response) {
  grpc::ClientContext context;
  SetDeadline(&context);
  return Channelz::NewStub(ChannelTo(address))->GetServers(&context, {}, response);
}

ServerReflectionRequest ListServices() {
  ServerReflectionRequest request;
  request.set_list_services("*");
  return request;
}

TEST(IntrospectionTest, ReflectionListsTheServicesAndDescribesThem) {
  ServiceProcess service(kSdkBinary);
  ServerReflectionResponse response;
  ASSERT_TRUE(Reflect(service.address(), ListServices(), &response).ok());
  std::vector<std::string> names;
  for (const auto& listed : response.list_services_response().service()) {
    names.push_back(listed.name());
  }
  EXPECT_THAT(names, UnorderedElementsAre(kPublicService, "grpc.health.v1.Health",
                                          "grpc.reflection.v1alpha.ServerReflection"));

  // As grpcurl does: the file of the service, and those that it needs.
  ServerReflectionRequest request;
  request.set_file_containing_symbol(kPublicService);
  ASSERT_TRUE(Reflect(service.address(), request, &response).ok());
  const auto& files = response.file_descriptor_response().file_descriptor_proto();
  google::protobuf::DescriptorPool pool;
  for (auto bytes = files.rbegin(); bytes != files.rend(); ++bytes) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(*bytes));
    EXPECT_NE(pool.BuildFile(file), nullptr) << file.name();
  }
  const auto* described = pool.FindServiceByName(kPublicService);
  ASSERT_NE(described, nullptr);
  EXPECT_EQ(described->method_count(), 8);
  EXPECT_NE(described->FindMethodByName("Step"), nullptr);
  EXPECT_EQ(service.Terminate(), 0);
}

TEST(IntrospectionTest, ReflectionCanBeTurnedOff) {
  ServiceProcess service(kSdkBinary, {"--nogrpc_reflection"});
  ServerReflectionResponse response;
  EXPECT_EQ(Reflect(service.address(), ListServices(), &response).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(GetSpaces(service.NewClient().get()).ok());
}

TEST(IntrospectionTest, OpenReflectionCallDoesNotDelayTheEnd) {
  ServiceProcess service(kSdkBinary, {"--drain_timeout=60s"});
  const auto stub = ServerReflection::NewStub(ChannelTo(service.address()));
  grpc::ClientContext context;
  SetDeadline(&context);
  const auto stream = stub->ServerReflectionInfo(&context);
  ServerReflectionResponse response;
  ASSERT_TRUE(stream->Write(ListServices()) && stream->Read(&response));
  service.Signal(SIGTERM);
  EXPECT_EQ(service.Wait(absl::Seconds(20)), 0);
  EXPECT_FALSE(stream->Read(&response));
}

TEST(IntrospectionTest, WorkersHaveNeither) {
  const LoneWorker worker(kSdkBinary);
  ServerReflectionResponse response;
  EXPECT_EQ(Reflect(worker.address(), ListServices(), &response).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  GetServersResponse servers;
  EXPECT_EQ(GetServers(worker.address(), &servers).error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST(IntrospectionTest, ChannelzIsOnTheAdminSocketOnly) {
  const TemporaryDirectory directory;
  const std::string socket = directory / "admin.sock";
  ServiceProcess service("frontend/holdfast",
                         {"--worker=" + RunfilePath(kSdkBinary), "--admin_socket=" + socket});
  GetServersResponse servers;
  EXPECT_EQ(GetServers(service.address(), &servers).error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_TRUE(GetSpaces(service.NewClient().get()).ok());
  const grpc::Status status = GetServers("unix:" + socket, &servers);
  ASSERT_TRUE(status.ok()) << status.error_message();
  // It tells of both: the public one has been called.
  EXPECT_EQ(servers.server_size(), 2);
  EXPECT_TRUE(std::any_of(servers.server().begin(), servers.server().end(), [](const auto& server) {
    return server.data().calls_succeeded() > 0;
  })) << servers.DebugString();
}

}  // namespace
}  // namespace holdfast
