#include "tests/holdfastctl/crash_maker.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "frontend/action_name.h"
#include "frontend/crash_reports/crash_event.h"
#include "frontend/crash_reports/crash_report.h"
#include "tests/integration/service_process.h"

namespace holdfast {
namespace {

DescribeReply Describe(const ServiceProcess& service) {
  const auto client = service.NewClient();
  DescribeReply description;
  grpc::ClientContext version_context;
  grpc::ClientContext spaces_context;
  EXPECT_TRUE(client->GetVersion(&version_context, {}, description.mutable_version()).ok());
  EXPECT_TRUE(client->GetSpaces(&spaces_context, {}, description.mutable_spaces()).ok());
  return description;
}

compiler_gym::Event ActionOf(const compiler_gym::Space& space, const std::string& name) {
  compiler_gym::Event action;
  if (space.has_string_value()) {
    action.set_string_value(name);
    return action;
  }
  for (int i = 0; i < 1000; ++i) {
    action.set_int64_value(i);
    if (ActionName(space, action) == name) return action;
  }
  ADD_FAILURE() << "no action is named " << name;
  return action;
}

grpc::Status Step(TestSession* session, compiler_gym::StepRequest request) {
  request.set_session_id(session->id());
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  compiler_gym::StepReply reply;
  return session->stub().Step(&context, request, &reply);
}

}  // namespace

CrashReport MakeReport(const Crash& crash) {
  std::vector<std::string> flags = {"--warm_workers=1", "--step_retries=0"};
  flags.insert(flags.end(), crash.service_flags.begin(), crash.service_flags.end());
  const ServiceProcess service(crash.worker, flags);
  const DescribeReply description = Describe(service);
  const compiler_gym::Space& space =
      description.spaces().action_space_list(crash.action_space).space();
  const std::string uri = "benchmark://test/crash";
  TestSession session(service, uri, crash.program, crash.action_space);

  CrashEvent event;
  compiler_gym::Benchmark benchmark;
  benchmark.set_uri(uri);
  benchmark.mutable_program()->set_contents(crash.program);
  event.origin = {std::make_shared<const compiler_gym::Benchmark>(benchmark), crash.action_space};
  for (size_t i = 0; i < crash.steps.size(); ++i) {
    compiler_gym::StepRequest step;
    for (const std::string& name : crash.steps[i]) *step.add_action() = ActionOf(space, name);
    const grpc::Status status = Step(&session, step);
    if (i + 1 < crash.steps.size()) {
      EXPECT_TRUE(status.ok()) << status.error_message();
      event.history.AppendStep(step.SerializeAsString(), step.action_size());
    } else {
      EXPECT_TRUE(FailureOf(status).has_value()) << status.error_message();
      event.failure = FailureOf(status).value_or(WorkerFailure());
      grpc::Slice slice(step.SerializeAsString());
      event.step = grpc::ByteBuffer(&slice, 1);
    }
  }
  session.End();
  CrashReport report = MakeCrashReport(event, description);
  report.set_worker(RunfilePath(crash.worker));
  report.set_time_micros(1'700'000'000'000'000);
  return report;
}

std::string WriteReport(const std::string& directory, const CrashReport& report) {
  std::string path = absl::StrCat(directory, "/", report.id(), kCrashReportSuffix);
  std::ofstream(path) << report.SerializeAsString();
  EXPECT_EQ(std::filesystem::file_size(path), report.ByteSizeLong());
  return path;
}

}  // namespace holdfast
